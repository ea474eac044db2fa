"""An OpenAPI document names the operations of its service."""

import json
from pathlib import Path
from typing import Any

import pytest

from telemetry.errors import ConfigError
from telemetry.operations.openapi import MAX_DOCUMENT_BYTES, Document, load_document, parse_document

PETS: dict[str, Any] = {
    "openapi": "3.1.0",
    "servers": [
        {"url": "https://pets.example/{version}", "variables": {"version": {"default": "v2"}}},
        {"url": "/pets"},
    ],
    "paths": {
        "/users/{id}": {"get": {"operationId": "getUser"}, "delete": {}},
        "/users/me": {"get": {"operationId": "getMe"}},
        "/users/{id}/orders/{order}": {"post": {}},
        "/files/{name}.{format}": {"get": {}},
        "/files/{name}.json": {"get": {"operationId": "json"}},
        "/status": {"servers": [{"url": "/"}], "get": {}},
        "/shared": {"$ref": "#/components/pathItems/Shared"},
    },
    "components": {"pathItems": {"Shared": {"get": {"operationId": "shared"}}}},
}


def document(content: dict[str, Any] = PETS, **changes: Any) -> Document:
    return parse_document(json.dumps({**content, **changes}).encode(), "pets.json")


def match(path: str, method: str = "GET", one: Document | None = None) -> str | None:
    operation = (one or document()).match(method, path.strip("/").split("/"))
    return operation.name if operation else None


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("GET", "/v2/users/5", "GET /users/{id}"),
        ("GET", "/pets/users/5", "GET /users/{id}"),
        ("DELETE", "/v2/users/5", "DELETE /users/{id}"),
        ("GET", "/v2/users/me", "GET /users/me"),
        ("DELETE", "/v2/users/me", "DELETE /users/{id}"),
        ("POST", "/v2/users/me/orders/9", "POST /users/{id}/orders/{order}"),
        ("GET", "/v2/files/a.b", "GET /files/{name}.{format}"),
        ("GET", "/v2/files/a.json", "GET /files/{name}.json"),
        ("GET", "/v2/files/.json", None),
        ("GET", "/status", "GET /status"),
        ("GET", "/v2/status", None),
        ("GET", "/v2/shared", "GET /shared"),
        ("PUT", "/v2/users/5", None),
        ("GET", "/users/5", None),
        ("GET", "/v2/users", None),
        ("GET", "/v2/users/5/orders/6/7", None),
    ],
)
def test_the_most_specific_template_with_the_method_names_the_operation(
    method: str, path: str, name: str | None
) -> None:
    assert match(path, method) == name


def test_operations_know_their_operation_id() -> None:
    operations = document().operations
    assert operations["GET /users/{id}"].operation_id == "getUser"
    assert operations["DELETE /users/{id}"].operation_id is None
    assert len(operations) == 8


def test_without_servers_paths_begin_at_the_root() -> None:
    one = document(servers=[], paths={"/a": {"get": {}}})
    assert (match("/a", one=one), match("/b", one=one)) == ("GET /a", None)


def test_words_with_escapes_are_matched_as_they_travel() -> None:
    one = document(servers=[], paths={"/café": {"get": {}}})
    assert match("/caf%C3%A9", one=one) == "GET /café"


def test_a_document_knows_whether_values_may_be_replaced_before_matching() -> None:
    plain = {"/users/{id}": {"get": {}}}
    assert document(paths=plain).plain
    assert not document(paths={**plain, "/2024-01-01/x": {"get": {}}}).plain
    assert not document(paths={**plain, "/{name}.json": {"get": {}}}).plain


def test_yaml_is_read_like_json(tmp_path: Path) -> None:
    file = tmp_path / "pets.yaml"
    file.write_text("openapi: 3.0.3\nservers: [{url: /v1}]\npaths:\n  /a/{b}:\n    get: {operationId: a}\n")
    assert match("/v1/a/1", one=load_document(file)) == "GET /a/{b}"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: [", "neither JSON nor YAML"),
        (b"\x00", "neither JSON nor YAML"),
        (b"[" * 100_000, "neither JSON nor YAML"),
        (b"[]", "must be a mapping"),
        (b'{"swagger": "2.0"}', "convert the document"),
        (b'{"openapi": "3.0.0", "paths": []}', "must be a mapping"),
        (b'{"openapi": "3.0.0", "paths": {"a": {}}}', "must begin with /"),
        (b'{"openapi": "3.0.0", "paths": {"/a?b": {}}}', "hold no"),
        (b'{"openapi": "3.0.0", "paths": {"/a": {"get": 1}}}', "must be a mapping"),
        (b'{"openapi": "3.0.0", "paths": {"/a": {"$ref": "other.yaml#/a"}}}', "bundle the document"),
        (b'{"openapi": "3.0.0", "paths": {"/a": {"$ref": "#/nowhere"}}}', "must be a mapping"),
        (b'{"openapi": "3.0.0", "paths": {"/a": {"$ref": "#/paths/~1a"}}}', "a $ref to a $ref"),
        (b'{"openapi": "3.0.0", "paths": {"/a": {"get": {}}}, "servers": "x"}', "must be a list"),
        (b'{"openapi": "3.0.0", "paths": {"/a": {"get": {}}}, "servers": [{"url": "http://[x"}]}', "no URL"),
        (b'{"openapi": "3.0.0", "paths": {"/' + b"a" * 300 + b'": {"get": {}}}}', "more than 256 characters"),
        (b'{"openapi": "3.0.0", "paths": {"' + b"/a" * 17 + b'": {"get": {}}}}', "more than 16 segments"),
        (b" " * (MAX_DOCUMENT_BYTES + 1), "larger than 16 MiB"),
    ],
)
def test_what_is_no_document_is_refused_with_the_reason(content: bytes, message: str) -> None:
    with pytest.raises(ConfigError, match=r"bad\.json") as caught:
        parse_document(content, "bad.json")
    assert message in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.yaml.*can't be read"):
        load_document(tmp_path / "absent.yaml")
