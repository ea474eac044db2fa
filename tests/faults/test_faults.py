"""A quick slice of the fault suite; `make soak` runs it for hours. What it proves, and how: docs/faults.md."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.campaign import Campaign
from tests.faults.schedule import End, schedule
from tests.faults.sink import Mood
from tests.faults.world import running_world

pytestmark = pytest.mark.real

ROUNDS = 10


async def test_nothing_durable_is_lost_whatever_goes_wrong(
    tmp_path: Path, envoy_binary: Path, free_port: Callable[[], int]
) -> None:
    seed = int(os.environ.get("FAULTS_SEED", secrets.randbelow(10**6)))
    async with running_world(tmp_path, envoy_binary, free_port) as world:
        campaign, rounds = Campaign(world, seed), schedule(seed, ROUNDS)
        print(f"FAULTS_SEED={seed}", *rounds, sep="\n")  # pytest shows it when the test fails
        await campaign.run(rounds)
    print(campaign.seen)
    assert not campaign.faults
    assert campaign.seen.enough(1), "not honest: too little went wrong"


def test_a_schedule_follows_from_its_seed_and_has_every_fault_in_it() -> None:
    rounds = schedule(7, ROUNDS)
    assert rounds == schedule(7, ROUNDS) != schedule(8, ROUNDS)
    assert {one.end for one in rounds} == set(End)
    assert {mood for one in rounds for mood in one.moods.values()} == set(Mood)
    assert {one.damage for one in rounds if one.end is End.CRASH} > {None}
    assert any(one.disk_full for one in rounds)
