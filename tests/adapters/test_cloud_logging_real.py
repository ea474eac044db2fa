"""What a real mesh's traffic becomes in Cloud Logging, at a server of its real interface."""

from collections import Counter
from pathlib import Path

import polars as pl
import pytest

from telemetry.adapters.cloud_logging import CloudLogging
from telemetry.batch import Template
from tests.adapters.cloud_logging_sink import running
from tests.real.in_process import mesh_through

pytestmark = pytest.mark.real


async def test_cloud_logging_has_every_entry_of_a_real_mesh_once(tmp_path: Path, envoy_binary: Path) -> None:
    async with running() as sink:
        options = {"project": "my-project", "endpoint": f"127.0.0.1:{sink.port}", "insecure": True}
        async with mesh_through(CloudLogging, options, tmp_path) as given:
            pass
    sent, entries = given.rows(Template.LOGENTRY), sink.entries
    assert len(sent) > 500
    assert len({entry.insert_id for entry in entries}) == len(entries) == len(sent)
    http = sent.filter(pl.col("context.protocol") == "http")
    names = ("request.id", "request.method", "response.code", "response.total_size", "source.workload.name")
    assert Counter(http.with_columns(pl.col("source.workload.name").fill_null("")).select(names).rows()) == Counter(
        (
            entry.labels["request_id"],
            entry.http_request.request_method,
            entry.http_request.status or None,
            entry.http_request.response_size,
            entry.labels["source_workload"],
        )
        for entry in entries
        if entry.HasField("http_request")
    )
    logs = Counter(entry.log_name.rpartition("/")[2] for entry in entries)
    kinds = Counter(sent["context.reporter.kind"].replace({"waypoint": "inbound"}).to_list())
    assert logs["client-accesslog-stackdriver"] == kinds["outbound"] > 0
    assert logs["server-accesslog-stackdriver"] == kinds["inbound"] > 0
    assert {entry.resource.type for entry in entries} == {"k8s_container", "k8s_pod"}
    pods = {entry.resource.labels["pod_name"].rsplit("-", 2)[0] for entry in entries}
    assert pods >= {"productpage-v1", "reviews-v1", "details-v1", "ratings-v1"}
    assert {entry.text_payload for entry in entries} >= {"ratings --> mongodb"}
