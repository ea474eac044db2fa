"""Rows under OpenTelemetry's names, beside the examples of its semantic conventions."""

from typing import Any

import polars as pl
import pytest

from telemetry.opentelemetry.conventions import ATTRIBUTES, ERROR_TYPE, KIND, NAME, RESOURCE, STATUS
from tests.rows import logentries

CLIENT = {"context.reporter.kind": "outbound"}
SERVER = {"context.reporter.kind": "inbound"}
GRPC = {"context.protocol": "grpc", "request.url_path": "/shop.v1.Carts/AddItem"}


def of(expression: pl.Expr, **row: Any) -> Any:
    return logentries(row).rows.select(expression.alias("it"))["it"][0]


def attributes(**row: Any) -> dict[str, Any]:
    """Those that are not null."""
    shown = logentries(row).rows.select(**ATTRIBUTES).row(0, named=True)
    return {name: value for name, value in shown.items() if value is not None}


def test_every_expression_has_a_type_that_otlp_knows() -> None:
    rows = logentries({}).rows.select(**ATTRIBUTES, **RESOURCE)
    assert set(rows.dtypes) <= {pl.String(), pl.Int64(), pl.Boolean()}


@pytest.mark.parametrize(
    ("row", "name"),
    [
        ({"request.method": "GET", "request.operation": "GET /a/{id}", "request.path": "/a/7"}, "GET /a/{id}"),
        ({"request.method": "GET", "request.operation": "legacy"}, "GET legacy"),
        ({"request.method": "GET", "request.operation": "{other}", "request.path": "/secret"}, "GET"),
        ({"request.method": "GET", "request.path": "/users/7"}, "GET"),
        ({"request.method": "PROPFIND", "request.operation": "_OTHER /dav"}, "HTTP /dav"),
        ({}, "HTTP"),
        ({**GRPC, "request.method": "POST", "request.operation": "shop.v1.Carts/AddItem"}, "shop.v1.Carts/AddItem"),
        ({**GRPC, "request.method": "POST"}, "shop.v1.Carts/AddItem"),
        ({"context.protocol": "tcp"}, "tcp"),
    ],
)  # fmt: skip
def test_a_span_is_named_by_method_and_route_never_by_the_raw_path(row: dict[str, Any], name: str) -> None:
    assert of(NAME, **row) == name


@pytest.mark.parametrize(
    ("row", "client", "server"),
    [
        ({"response.code": 200}, None, None),
        ({"response.code": 302}, None, None),
        ({"response.code": 404}, "404", None),
        ({"response.code": 503}, "503", "503"),
        ({**GRPC, "response.code": 200, "response.grpc_status": 0}, None, None),
        ({**GRPC, "response.code": 200, "response.grpc_status": 5}, "NOT_FOUND", None),
        ({**GRPC, "response.code": 200, "response.grpc_status": 8}, "RESOURCE_EXHAUSTED", None),
        ({**GRPC, "response.code": 200, "response.grpc_status": 14}, "UNAVAILABLE", "UNAVAILABLE"),
        ({**GRPC, "response.code": 200, "response.grpc_status": 99}, "99", "99"),
        ({"response.code": None, "response.outcome": "none", "context.proxy_error_code": "DC"}, None, None),
        ({"response.code": 200, "response.outcome": "server_error", "context.proxy_error_code": "UC"}, "UC", "UC"),
    ],
)
def test_a_client_s_error_is_not_always_the_server_s(row: dict[str, Any], client: str, server: str) -> None:
    for side, error in ((CLIENT, client), (SERVER, server)):
        assert of(ERROR_TYPE, **row, **side) == error
        assert of(STATUS, **row, **side) == ("error" if error else "unset")


def test_who_speaks_is_the_workload_whose_envoy_wrote_the_entry() -> None:
    both = {
        "source.canonical.service": "web", "destination.canonical.service": "api", "destination.version": "v2",
        "destination.owner": "kubernetes://apis/apps/v1/namespaces/shop/deployments/api", "destination.name": "api-1",
    }  # fmt: skip
    rows = logentries({**both, **CLIENT}, {**both, **SERVER}).rows.select(**RESOURCE, kind=KIND)
    assert rows["service.name"].to_list() == ["web", "api"]
    assert rows["service.version"].to_list() == [None, "v2"]
    assert rows["k8s.deployment.name"].to_list() == [None, "api"]
    assert rows["k8s.pod.name"].to_list() == [None, "api-1"]
    assert rows["kind"].to_list() == ["client", "server"]


def test_the_attributes_of_a_client_s_http_span() -> None:
    shown = attributes(
        **CLIENT,
        **{
            "request.method": "GET", "request.scheme": "http", "request.host": "api:9080", "request.path": "/a/1?q=2",
            "request.operation": "GET /a/{id}", "response.code": 404, "request.attempts": 3, "upstream.ip": "10.0.0.2",
            "upstream.port": 8080, "request.useragent": "curl", "request.protocol_version": "HTTP/1.1",
            "connection.tls.version": 4,
        },
    )  # fmt: skip
    assert shown == {
        "http.request.method": "GET", "http.response.status_code": 404, "url.template": "/a/{id}", "url.path": "/a/1",
        "http.request.resend_count": 2, "error.type": "404", "url.scheme": "http", "url.query": "q=2",
        "url.full": "http://api:9080/a/1?q=2", "server.address": "api", "server.port": 9080,
        "network.peer.address": "10.0.0.2", "network.peer.port": 8080, "user_agent.original": "curl",
        "component": "proxy",
    }  # fmt: skip


def test_the_attributes_of_a_server_s_grpc_span() -> None:
    shown = attributes(
        **SERVER,
        **GRPC,
        **{
            "response.grpc_status": 0, "request.host": "[::1]", "request.scheme": "https", "response.code": 200,
            "downstream.ip": "10.0.0.1", "downstream.port": 4711, "origin.ip": "203.0.113.9",
            "request.protocol_version": "HTTP/2", "connection.tls.version": 4,
        },
    )  # fmt: skip
    assert shown == {
        "rpc.system.name": "grpc", "rpc.method": "shop.v1.Carts/AddItem", "rpc.response.status_code": "OK",
        "url.scheme": "https", "server.address": "::1", "server.port": 443, "client.address": "203.0.113.9",
        "network.peer.address": "10.0.0.1", "network.peer.port": 4711, "network.protocol.version": "2",
        "tls.protocol.name": "tls", "tls.protocol.version": "1.3", "component": "proxy",
    }  # fmt: skip


@pytest.mark.parametrize("host", ["", ":", "a:b:c", "[::1", "x" * 100_000, "a:99999999", "\x00:80", "🦀:80"])
def test_no_host_header_breaks_an_expression(host: str) -> None:
    assert attributes(**SERVER, **{"request.host": host, "request.path": "??", "request.method": "\n"})
