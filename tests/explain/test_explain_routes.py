"""Explain by command and over HTTP."""

import json

import httpx
from typer.testing import CliRunner

from telemetry.cli import app
from tests.explain.test_explain import ISTIO_LOG, TEXT_LOG, as_json
from tests.service.running import counted, running
from tests.wire import inbound, message, node


def test_the_command_prints_a_table_and_json(tmp_path):
    file = tmp_path / "entries.json"
    file.write_text(json.dumps(as_json(message(inbound(503), sender=node()))))
    table = CliRunner().invoke(app, ["explain", str(file)])
    assert table.exit_code == 0
    assert "destination.workload.name" in table.output
    plain = CliRunner().invoke(app, ["explain", str(file), "--json"])
    [entry] = json.loads(plain.output)["entries"]
    assert {one["name"]: one["value"] for one in entry["attributes"]}["response.code"] == 503


def test_the_command_reads_standard_input_and_refuses_what_is_no_entry():
    assert "POST" in CliRunner().invoke(app, ["explain", "-"], input=TEXT_LOG).output
    refused = CliRunner().invoke(app, ["explain", "-"], input="hello")
    assert (refused.exit_code, "line 1" in refused.output) == (2, True)


async def test_over_http_the_service_explains_and_counts_nothing():
    async with running() as service, httpx.AsyncClient(base_url=f"http://127.0.0.1:{service.http_port}") as client:
        answer = await client.post("/api/v1/explain", content=json.dumps(ISTIO_LOG))
        [entry] = answer.json()["entries"]
        assert {one["name"]: one["value"] for one in entry["attributes"]}["destination.service.name"] == "reviews"
        assert (await client.post("/api/v1/explain", content="hello")).status_code == 422
        assert (await client.post("/api/v1/explain", content=b" " * (2 << 20))).status_code == 413
        many = "\n".join([json.dumps(ISTIO_LOG)] * 51)
        assert (await client.post("/api/v1/explain", content=many)).status_code == 422
        assert counted(service, "telemetry_receiver_entries_total") == 0
