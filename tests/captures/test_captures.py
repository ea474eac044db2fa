"""What real Envoys reported in each naming style: who called whom, by which service, and how it went."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import orjson
import pytest

from telemetry import native
from telemetry.columns import split
from telemetry.config import Settings
from telemetry.mesh.addresses import Addresses
from telemetry.mesh.resolve import Resolver
from telemetry.node import Node, node_of
from telemetry.processors.contexts import Contexts, peer_columns
from telemetry.processors.normalise import Normalise
from tests.captures.recording import Message, stored
from tests.captures.styles import FOLDER, STYLES
from tests.rows import NOW_NS

ATTRIBUTES = (
    "context.reporter.kind",
    "context.protocol",
    *(
        f"{side}.{name}"
        for side in ("source", "destination")
        for name in (
            "workload.name",
            "workload.namespace",
            "canonical.service",
            "cluster.id",
            "principal",
            "resolved_by",
        )
    ),
    "destination.service.host",
    "destination.service.name",
    "destination.service.namespace",
    "connection.security_policy",
    "request.counts",
    "response.code",
    "response.grpc_status",
    "context.proxy_error_code",
)


def nodes_of(messages: Sequence[Message]) -> dict[int, Node]:
    """By stream; each stream's first message names its sender."""
    nodes = {}
    for stream, message in messages:
        identifier, _ = native.inspect(message)
        if identifier is not None:
            nodes[stream] = node_of(identifier)
    return nodes


def replayed(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """The attributes that matter of each entry, in order; those that are null left out."""
    logs = Settings().receiver.access_logs
    by_stream = nodes_of(messages)
    nodes = list(by_stream.values())
    numbers = {stream: number for number, stream in enumerate(by_stream)}
    addresses = Addresses()
    resolver = Resolver(addresses, "Kubernetes")
    for node in nodes:
        resolver.learn(node)
    decoded = native.decode_access_logs(
        [message for _, message in messages],
        [numbers[stream] for stream, _ in messages],
        request_headers=logs.request_headers,
        response_headers=logs.response_headers,
        response_trailers=logs.response_trailers,
        filter_state=logs.filter_state,
    )
    assert decoded.rejected == decoded.repaired == {}
    contexts = Contexts(resolver, addresses, seed=1, peers=peer_columns(logs.filter_state))
    frame = Normalise(contexts).rows(split(decoded.rows), nodes, NOW_NS).select(ATTRIBUTES)
    return [{name: value for name, value in row.items() if value is not None} for row in frame.iter_rows(named=True)]


@cache
def told(style: str) -> dict[str, dict[str, Any]]:
    """By the case's name, in order."""
    names = [case.name for case in STYLES[style]]
    return dict(zip(names, replayed(list(stored(FOLDER / f"{style}.als.gz"))), strict=True))


@cache
def golden(style: str) -> dict[str, dict[str, Any]]:
    entries: dict[str, dict[str, Any]] = orjson.loads((FOLDER / f"{style}.golden.json").read_bytes())
    return entries


@pytest.fixture(scope="module", autouse=True)
def updated(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--update-golden", default=False):
        for style in STYLES:
            content = orjson.dumps(told(style), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
            (FOLDER / f"{style}.golden.json").write_bytes(content)


@pytest.mark.parametrize(("style", "name"), [(style, case.name) for style in STYLES for case in STYLES[style]])
def test_an_entry_means_what_it_should(style: str, name: str) -> None:
    assert told(style)[name] == golden(style)[name]


@pytest.mark.parametrize("style", STYLES)
def test_each_capture_has_its_golden_and_is_small(style: str) -> None:
    assert list(golden(style)) == [case.name for case in STYLES[style]]
    assert (FOLDER / f"{style}.als.gz").stat().st_size < 50_000
