"""Every request gets the name of what it asks for, from a bounded set."""

import json
import re
from collections import defaultdict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telemetry.operations.openapi import Document, parse_document
from telemetry.operations.settings import OperationsSettings
from telemetry.processors.operations import Operations
from tests.rows import logentries, metrics

SHOP = "shop.ns.svc.cluster.local"
DOCUMENT = parse_document(
    json.dumps({"openapi": "3.0.0", "paths": {"/users/{id}": {"get": {}}, "/users/me": {"get": {}}}}).encode(), "shop"
)
MIXED = parse_document(b'{"openapi": "3.0.0", "paths": {"/files/{name}.json": {"get": {}}}}', "files")
RULE = {"glob": "/legacy/**", "operation": "legacy"}

WORDS = st.text("abcdefgh", min_size=1, max_size=3)
SEGMENTS = st.one_of(WORDS, st.uuids().map(str), st.integers().map(str), st.emails(), st.text(max_size=5))
PATHS = st.lists(SEGMENTS, max_size=5).map(lambda segments: "/" + "/".join(segments).partition("?")[0])
HOSTS = st.sampled_from([SHOP, "a", "b", "c", None])
METHODS = st.sampled_from(["GET", "POST", "FROB", None])
ENTRIES = st.lists(st.tuples(HOSTS, METHODS, st.one_of(PATHS, st.text(max_size=9), st.none())), min_size=1, max_size=40)
BATCHES = st.lists(ENTRIES, min_size=1, max_size=6)


def operations(documents: dict[str, Document] | None = None, seed: int = 0, **options: Any) -> Operations:
    return Operations(OperationsSettings(**options), (documents or {}).get, seed=seed)


def entry(
    path: str | None, method: str | None = "GET", host: str | None = SHOP, protocol: str = "http"
) -> dict[str, Any]:
    return {
        "request.url_path": path,
        "request.method": method,
        "destination.service.host": host,
        "context.protocol": protocol,
    }


def named(processor: Operations, *entries: dict[str, Any]) -> list[str | None]:
    (batch,) = processor.process(logentries(*entries))
    assert len(batch.rows) == len(entries)
    return batch.rows["request.operation"].to_list()


def name(path: str | None, processor: Operations | None = None, **more: Any) -> str | None:
    return named(processor or operations(), entry(path, **more))[0]


def feed(
    processor: Operations, batches: list[list[tuple[str | None, str | None, str | None]]]
) -> list[list[str | None]]:
    return [named(processor, *(entry(path, method, host) for host, method, path in batch)) for batch in batches]


def test_values_in_paths_are_named_by_their_kind() -> None:
    assert name("/users/5/orders/2024-01-31") == "GET /users/{id}/orders/{date}"


@pytest.mark.parametrize(
    ("path", "operation"),
    [
        ("/", "GET /"),
        ("", "GET /"),
        ("//a///b/", "GET /a/b"),
        ("/a/../../etc/passwd", "GET /a/{value}/{value}/etc/passwd"),
        ("/a;jsessionid=secret/b;x", "GET /a/b"),
        ("/a#secret", "GET /a"),
        ("/a?secret", "GET /a"),
        ("https://user:secret@host/a", "GET /a"),
        ("/a\x00b/c", "GET /{value}/c"),
        ("/a\r\nb", "GET /{value}"),
        ("/%zz/%", "GET /{value}/{value}"),
        ("/{id}/{other}", "GET /{value}/{value}"),
        ("/a" * 17, "GET " + "/a" * 16 + "/{value}"),
        ("*", "GET /*"),
    ],
)
def test_hostile_paths_are_harmless(path: str, operation: str) -> None:
    assert name(path) == operation


@pytest.mark.parametrize("path", ["/" + "a" * 60_000, "/a" * 30_000, "/" * 60_000, "/1/" + "é" * 30_000, ";" * 60_000])
def test_endless_paths_give_short_names(path: str) -> None:
    assert len(name(path) or "") <= 256


def test_long_names_are_cut_between_segments() -> None:
    operation = name("/" + "/".join("ghijklmnop"[at] * 60 for at in range(10))) or ""
    assert operation.endswith("/" + "j" * 60 + "/{rest}")


@pytest.mark.parametrize(("method", "operation"), [("FROB", "_OTHER /a"), (None, "_OTHER /a"), ("PATCH", "PATCH /a")])
def test_strange_methods_share_a_name(method: str | None, operation: str) -> None:
    assert name("/a", method=method) == operation


def test_connect_has_no_path() -> None:
    assert name(None, method="CONNECT") == "CONNECT"


def test_connections_have_no_operation() -> None:
    assert named(operations(), entry("/a", protocol="tcp"), entry("/a")) == [None, "GET /a"]


def test_grpc_names_itself() -> None:
    assert name("/pkg.v1.Users/GetUser", method="POST", protocol="grpc") == "pkg.v1.Users/GetUser"


@pytest.mark.parametrize("path", ["/a/b/c", "/1.2/b", "/users/u12345678", "/a/b-c", "/" + "a" * 300 + "/b", None])
def test_a_grpc_request_with_a_strange_path_is_named_as_others_are(path: str | None) -> None:
    assert name(path, method="POST", protocol="grpc") == name(path, method="POST")


def test_grpc_names_are_bounded_too() -> None:
    processor = operations(max_operations_per_service=8)
    found = named(processor, *(entry(f"/pkg.Users/{'abcdefghijkl'[at]}", protocol="grpc") for at in range(12)))
    assert found == [*(f"pkg.Users/{one}" for one in "abcdef"), *["{other}"] * 6]


def test_documents_come_before_rules_and_rules_before_what_is_learned() -> None:
    processor = operations({SHOP: DOCUMENT}, rules=[{"glob": "/users/*", "operation": "a rule"}])
    paths = ("/users/me", "/users/5", "/users/ann", "/users/5/x")
    assert [name(path, processor) for path in paths] == [
        "GET /users/me", "GET /users/{id}", "GET /users/{id}", "GET /users/{id}/x",
    ]  # fmt: skip
    assert [name(path, processor, method="PUT") for path in paths[:2]] == ["a rule", "a rule"]


def test_a_document_that_looks_into_segments_is_matched_against_the_path_as_it_came() -> None:
    processor = operations({SHOP: MIXED})
    assert name("/files/12345.json", processor) == "GET /files/{name}.json"
    assert name("/files/12345.xml", processor) == "GET /files/{id}"


def test_a_document_serves_its_own_service_only() -> None:
    assert name("/users/ann", operations({SHOP: DOCUMENT}), host="other") == "GET /users/ann"


def test_a_new_document_is_used_after_reload() -> None:
    documents: dict[str, Document] = {}
    processor = Operations(OperationsSettings(), documents.get)
    assert name("/users/ann", processor) == "GET /users/ann"
    documents[SHOP] = DOCUMENT
    processor.reload()
    assert name("/users/ann", processor) == "GET /users/{id}"


def test_the_first_rule_that_matches_names_the_operation() -> None:
    rules = [
        {"service": "other*", "glob": "/**", "operation": "of others"},
        {"methods": ["POST"], "regex": "/[a-z]+", "operation": "posted"},
        {"regex": "/[a-z]+", "operation": "a word"},
    ]
    processor = operations(rules=rules)
    assert name("/abc", processor) == "a word"
    assert name("/abc", processor, method="POST") == "posted"
    assert name("/abc", processor, host="others.ns") == "of others"
    assert name("/abc/d", processor) == "GET /abc/d"


def test_words_that_vary_become_values_for_all_rows_of_the_batch() -> None:
    processor = operations(max_children=3)
    assert name("/users/ann", processor) == "GET /users/ann"
    found = named(processor, *(entry(f"/users/{one}") for one in ("ann", "bob", "eve", "joe")))
    assert found == ["GET /users/{value}"] * 4
    assert name("/users/ann", processor) == "GET /users/{value}"
    assert processor.collapsed_total == 1


def test_a_quarter_of_the_names_is_kept_for_templates() -> None:
    processor = operations(max_operations_per_service=4, max_children=5)
    names = [name(f"/users/{one * 3}", processor) for one in "abcdefg"]
    assert names == [*(f"GET /users/{one * 3}" for one in "abc"), "{other}", "{other}", *["GET /users/{value}"] * 2]


def test_services_beyond_the_bound_are_learned_as_one() -> None:
    processor = operations(max_services=2, max_operations_per_service=4)
    found = {name(f"/{word}", processor, host=f"host-{word}") for word in "abcdefghij"}
    assert found == {"GET /a", "GET /b", "GET /c", "GET /d", "GET /e", "{other}"}
    assert processor.services == 2


def test_what_is_declared_is_never_cut_off() -> None:
    processor = operations({SHOP: DOCUMENT}, rules=[RULE], max_operations_per_service=1)
    assert [name(path, processor) for path in ("/x", "/users/me", "/users/1", "/legacy/a")] == [
        "{other}", "GET /users/me", "GET /users/{id}", "legacy",
    ]  # fmt: skip


def test_other_batches_pass_unchanged() -> None:
    batch = metrics(1.0)
    processor = operations()
    assert list(processor.process(batch)) == [batch]
    assert list(processor.flush(0)) == []


def test_a_batch_of_nothing_stays_a_batch_of_nothing() -> None:
    (batch,) = operations().process(logentries())
    assert batch.rows.is_empty()


@settings(deadline=None)  # each example makes memos of some MiB
@given(BATCHES, st.integers(1, 12), st.integers(1, 4))
def test_no_service_has_more_operations_than_its_bound_and_other(batches: Any, bound: int, children: int) -> None:
    processor = operations(max_operations_per_service=bound, max_children=children)
    seen: dict[str | None, set[str | None]] = defaultdict(set)
    for batch, found in zip(batches, feed(processor, batches), strict=True):
        for (host, _, _), operation in zip(batch, found, strict=True):
            seen[host].add(operation)
    assert all(len(names) <= bound + 1 for names in seen.values())


@settings(deadline=None)  # each example makes memos of some MiB
@given(BATCHES, st.integers(1, 2**63))
def test_the_same_entries_get_the_same_operations_whatever_the_seed(batches: Any, seed: int) -> None:
    options = {"max_children": 2, "max_operations_per_service": 8, "max_services": 2}
    assert feed(operations(seed=0, **options), batches) == feed(operations(seed=seed, **options), batches)


@settings(deadline=None)  # each example makes memos of some MiB
@given(BATCHES)
def test_what_documents_and_rules_name_no_other_path_can_change(batches: Any) -> None:
    processor = operations({SHOP: DOCUMENT}, rules=[RULE], max_children=2, max_operations_per_service=2)
    paths = ("/users/me", "/users/1", "/users/ann", "/legacy/x")
    before = [name(path, processor) for path in paths]
    feed(processor, batches)
    assert [name(path, processor) for path in paths] == before


LOOKS_LIKE_A_VALUE = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[^/ @]@[^/ @]|/[-+]?[0-9.]*[0-9][0-9.]*(/|$)", re.I
)


@settings(deadline=None)  # each example makes memos of some MiB
@given(BATCHES)
def test_every_request_has_one_operation_without_values_or_control_characters(batches: Any) -> None:
    for found in feed(operations(max_children=3), batches):
        for operation in found:
            assert operation
            assert operation.isprintable()
            assert operation.isascii()
            assert "?" not in operation
            assert ";" not in operation
            assert len(operation) <= 256
            assert not LOOKS_LIKE_A_VALUE.search(operation)


@settings(deadline=None)  # each example makes memos of some MiB
@given(BATCHES)
def test_memory_of_rows_does_not_change_what_is_found(batches: Any) -> None:
    options = {"max_children": 2, "max_operations_per_service": 8, "max_services": 2}
    forgetful = operations(**options)
    found = []
    for batch in batches:
        forgetful.reload()
        found += feed(forgetful, [batch])
    assert found == feed(operations(**options), batches)
