"""What a real Envoy reports, in lines of JSON, in Envoy's own text lines, and in an audit that verifies."""

import asyncio
import json
import os
from pathlib import Path
from typing import ClassVar

import httpx
import pytest
import yaml
from pydantic import Field
from typer.testing import CliRunner

from telemetry.adapters.audit import Audit
from telemetry.adapters.stdout import Stdout
from telemetry.batch import Template
from telemetry.cli import app
from telemetry.config import load
from telemetry.service import Service
from tests.adapters.one_envoy import one_envoy
from tests.audit.audits import Keys, keys_in, written

pytestmark = pytest.mark.real

REQUESTS = (
    ("GET", "/reviews/17?page=2", {}),
    ("POST", "/cart/items", {"content": b"x" * 100}),
    ("DELETE", "/cart/items/1", {"headers": {"user-agent": "back\\slash; \t tab"}}),
    ("PUT", "/payments", {"headers": {"x-forwarded-for": "203.0.113.7", "x-request-id": "not-a-uuid"}}),
    ("GET", "/" + "long/" * 300, {}),
)


class ToFile(Stdout):
    """Standard output, redirected."""

    class Config(Stdout.Config):
        path: Path = Field(description="Where to.")

    accepts: ClassVar = frozenset({Template.LOGENTRY})

    def __init__(self, config: Config) -> None:
        super().__init__(config, fd=os.open(config.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND))


@pytest.fixture
async def told(envoy_binary: Path, tmp_path: Path, free_port) -> tuple[Path, Keys]:
    """The folder in which all is that was written of the requests."""
    keys = keys_in(tmp_path)
    configuration = {
        "receiver": {"grpc": {"address": "127.0.0.1:0"}, "coalesce": {"max_delay": "10ms"}},
        "http": {"address": "127.0.0.1:0"},
        "edges": {"enabled": False},
        "redaction": {"enabled": False},  # to compare with a file that has everything
        "handlers": {
            "json": {"adapter": "file", "path": str(tmp_path / "rows.jsonl")},
            "text": {"adapter": "file", "path": str(tmp_path / "rows.log"), "format": "text"},
            "audit": {"adapter": "audit", "directory": str(tmp_path / "audit"), "signing_key": f"file:{keys.private}"},
        },
    }
    file = tmp_path / "telemetry.yaml"
    file.write_text(yaml.safe_dump(configuration))
    async with Service(load(file, installed={"file": ToFile, "audit": Audit})) as service:
        ports = (free_port(), free_port(), free_port())
        async with one_envoy(envoy_binary, tmp_path, service.grpc_port, ports) as url, httpx.AsyncClient() as client:
            for method, path, options in REQUESTS:
                assert (await client.request(method, url + path, **options)).status_code == 201
            async with asyncio.timeout(20):
                while not all(one.account().delivered == len(REQUESTS) for one in service.deliveries):
                    await asyncio.sleep(0.02)
                while len((tmp_path / "file.log").read_text().splitlines()) < len(REQUESTS):
                    await asyncio.sleep(0.02)
        assert all(one.account().unaccounted == 0 for one in service.deliveries)
    return tmp_path, keys


async def test_what_an_envoy_did_is_written_as_it_happened_and_the_audit_verifies(told: tuple[Path, Keys]) -> None:
    folder, keys = told
    lines_agree(folder)
    audit_agrees(folder, keys)


def lines_agree(folder: Path) -> None:
    rows = [json.loads(line) for line in (folder / "rows.jsonl").read_bytes().splitlines()]
    assert [(row["request.method"], row["request.path"]) for row in rows] == [(one, two) for one, two, _ in REQUESTS]
    assert {row["response.code"] for row in rows} == {201}
    theirs, ours = ((folder / name).read_text().splitlines() for name in ("file.log", "rows.log"))
    for their, our in zip(theirs, ours, strict=True):
        # Ours escapes what a terminal would obey.
        assert without_service_time(our) == without_service_time(their.replace("\t", "\\t"))
        # Envoy takes it from a header, we from the marks: both know none where the answer came before the body.
        assert abs(service_time_ms(our) - service_time_ms(their)) <= 1


def without_service_time(line: str) -> list[str]:
    return (
        [word for at, word in enumerate(line.split('"')[2].split()) if at != 5]
        + line.split('"')[:2]
        + line.split('"')[3:]
    )


def service_time_ms(line: str) -> float:
    text = line.split('"')[2].split()[5]
    return -1000 if text == "-" else int(text)


def audit_agrees(folder: Path, keys: Keys) -> None:
    run = CliRunner().invoke
    audit = str(folder / "audit")
    result = run(app, ["audit", "verify", audit, "--public-key", str(keys.public)])
    assert (result.exit_code, result.stdout.splitlines()[0].partition(",")[0]) == (0, "intact: 5 records in 1 files")
    assert [one["http_request.http_method"] for one in written(folder / "audit")] == [one for one, _, _ in REQUESTS]
    asked = run(app, ["audit", "query", audit, "--path", "/cart/", "--json"])
    found = [json.loads(line) for line in asked.stdout.splitlines()]
    assert [(one["http_request.http_method"], one["activity_id"]) for one in found] == [("POST", 6), ("DELETE", 2)]
    [data] = (folder / "audit").glob("*.part")
    data.write_bytes(data.read_bytes().replace(b"/payments", b"/paymentz"))
    result = run(app, ["audit", "verify", audit, "--public-key", str(keys.public)])
    assert result.exit_code == 1
    assert data.name in result.stderr
