"""What the router's own log and Envoys without types leave to be put right."""

import polars as pl
import pytest

from telemetry import native
from telemetry.columns import split
from telemetry.mesh.addresses import Addresses
from telemetry.mesh.resolve import Resolver
from telemetry.node import Node, node_of
from telemetry.processors.contexts import Contexts
from telemetry.processors.normalise import Normalise
from tests.rows import NOW_NS
from tests.wire import inbound, message, node, request


def old_envoy():
    sender = node()
    sender.user_agent_build_version.version.minor_number = 22
    return sender


def row(entry, sender=None):
    identifier, _ = native.inspect(message(sender=sender or node()))
    assert identifier is not None
    one: Node = node_of(identifier)
    addresses = Addresses()
    contexts = Contexts(Resolver(addresses, "Kubernetes"), addresses, seed=1)
    frame: pl.DataFrame = Normalise(contexts).rows(
        split(native.decode_access_logs([message(entry)], [0]).rows), [one], NOW_NS
    )
    return frame.row(0, named=True)


@pytest.mark.parametrize(("kind", "sizes"), [(6, (3, 5)), (7, (5, 3)), (8, (5, 3)), (9, (5, 3))])
def test_an_attempts_two_sizes_are_the_other_way_round(kind, sizes):
    entry = inbound(access_log_type=kind)
    entry.request.request_body_bytes, entry.response.response_body_bytes = 3, 5
    told = row(entry)
    assert (told["request.size"], told["response.size"]) == sizes


@pytest.mark.parametrize(("kind", "attempts"), [(6, 1), (9, None)])
def test_an_attempt_does_not_count_attempts(kind, attempts):
    assert row(inbound(access_log_type=kind))["request.attempts"] == attempts


def untyped(version: int):
    entry = request(0, path="", authority="")
    entry.request.request_method = 0
    entry.protocol_version = version
    entry.common_properties.access_log_type = 0
    return entry


def test_an_old_envoys_http_entry_without_version_is_a_connection():
    told = row(untyped(version=0), old_envoy())
    assert (told["context.protocol"], told["connection.event"], told["request.counts"]) == ("tcp", "close", True)


def test_an_old_envoys_broken_request_is_a_request_still():
    assert row(untyped(version=2), old_envoy())["context.protocol"] == "http"


@pytest.mark.parametrize(
    ("path", "url_path"),
    [("/a?b?c", "/a"), ("/a", "/a"), ("?", ""), ("/caf\u00e9/\U0001f600?\u00fc", "/caf\u00e9/\U0001f600"), ("", None)],
)
def test_the_path_of_the_url_ends_at_the_first_question_mark(path, url_path):
    assert row(inbound(path=path))["request.url_path"] == url_path


@pytest.mark.parametrize(("value", "method"), [(0, None), (1, "GET"), (9, "PATCH"), (10, None), (-1, None)])
def test_a_method_newer_than_our_list_is_not_named(value, method):
    entry = inbound()
    entry.request.request_method = value
    assert row(entry)["request.method"] == method
