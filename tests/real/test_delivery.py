"""A real mesh's traffic, a sink that fails and refuses, and one that hangs: every entry has one fate, none is lost."""

import asyncio
from pathlib import Path

import httpx
import pytest
from pydantic import BaseModel, ConfigDict

from telemetry.batch import Template
from telemetry.config import Settings
from telemetry.config.handlers import settings_class
from telemetry.dead_letters import read
from telemetry.demo.waiting import holds_within
from telemetry.errors import Partial, Retry
from telemetry.journal.history import History
from telemetry.replay import Replay
from telemetry.service import Service
from tests.delivery.sinks import Sink, rows_of
from tests.real.asker import PRODUCT
from tests.real.world import World

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]


def refuse_some(batch):
    return Partial("every fifth is odd", rejected=dict.fromkeys(range(0, len(batch.rows), 5), "odd"))


class Entries(Sink):
    """Fails three times, then refuses some rows of each batch."""

    class Config(BaseModel):
        model_config = ConfigDict(extra="forbid", frozen=True)

    accepts = frozenset({Template.LOGENTRY})

    def __init__(self, _config: Config | None = None) -> None:
        super().__init__([*[Retry("busy")] * 3, *[refuse_some] * 1000])


class Hung(Entries):
    async def export(self, batch):
        await asyncio.Event().wait()


def configured(world: World, folder: Path) -> Settings:
    return Settings.model_validate(
        {
            "receiver": {"grpc": {"address": world.als_address}},
            "http": {"address": world.http_address},
            "journal": {"path": folder / "journal.db", "retention_s": 3600},
            "handlers": {
                "entries": settings_class(Entries)(adapter="entries", delivery={"initial_backoff_s": 0.01}),
                "hung": settings_class(Hung)(adapter="hung", delivery={"deadline_s": 3600}),
            },
            "shutdown": {"deadline_s": 1},
        },
        by_name=True,
    )


async def test_each_entry_is_delivered_or_lies_in_the_dead_letters_and_replay_has_them_all(world: World, tmp_path):
    assert await world.service.stop() == 0  # ours takes its place
    async with Service(configured(world, tmp_path)) as service:
        entries, hung, *_ = service.deliveries
        assert await world.all_envoys_connected()
        await world.asker.ask_all([PRODUCT] * 50)

        async def settled() -> bool:
            account = entries.account()
            return account.offered >= 300 and not account.pending

        assert await holds_within(settled, 20)
        async with httpx.AsyncClient() as client:
            page = (await client.get(f"http://{world.http_address}/debug/pipelines")).raise_for_status().json()
        account = entries.account()
        assert account.unaccounted == hung.account().unaccounted == 0
        assert account.delivered + account.dead_lettered + account.filtered == account.offered
        assert account.dead_lettered > 0
        assert hung.account().delivered == 0
        unaccounted = {one["handler"]: one["rows"]["unaccounted"] for one in page["handlers"]}
        assert unaccounted == {"entries": 0, "hung": 0, "edges": 0}
    files = sorted((tmp_path / "dead-letters" / "entries").glob("*.arrow"))
    refused = [row for path in files for row in rows_of(read(path).batch)]
    again = Sink()
    again.accepts = frozenset({Template.LOGENTRY})
    done = await Replay("entries", again).dead_letters(files)
    assert done.complete
    assert again.rows == refused
    assert not any(path.exists() for path in files)
    history = Sink()
    history.accepts = frozenset({Template.LOGENTRY})
    await Replay("new", history).history(batch for _, _, batch in History(tmp_path / "journal.db").batches())
    assert set(refused) <= set(history.rows)
    assert len(history.rows) == len(set(history.rows)) >= account.offered
