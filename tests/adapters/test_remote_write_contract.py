"""Remote write keeps the contract, by 2.0 and by 1.0."""

import pytest_asyncio
from pydantic import SecretStr

from telemetry.adapters.prometheus_remote_write import PrometheusRemoteWrite
from telemetry.batch import Template
from telemetry.testing import AdapterContract, Behaviour, Feature, megabytes
from tests.adapters.remote_write_sink import RemoteWriteSink, running

SECRET = "hunter2-secret"


class TestNewest(AdapterContract):
    adapter_class = PrometheusRemoteWrite
    huge_rows = 3_000
    secrets = (SECRET,)
    cannot = {  # noqa: RUF012 - declared once, never changed
        Behaviour.PARTIAL: "2.0 says how many samples were written, not which",
        Feature.IDENTITY: "totals keep no rows; the adapter adds each batch once, whoever repeats it",
    }

    @pytest_asyncio.fixture
    async def sink(self):
        async with running(RemoteWriteSink()) as sink:
            yield sink

    def make(self, sink):
        headers = {"authorization": SecretStr(SECRET)}
        return PrometheusRemoteWrite(PrometheusRemoteWrite.Config(url=sink.url, headers=headers))

    async def test_a_text_of_a_megabyte_arrives_or_is_refused_for_good(self, sink, template: Template) -> None:
        """Neither: beyond 16 KiB a label set is folded into the overflow series, where its count is kept."""
        async with self.entered(sink) as adapter:
            await adapter.export(megabytes(template))
        folded = frozenset(
            {"__name__": "istio_request_duration_milliseconds_count", "otel_metric_overflow": "true"}.items()
        )
        assert sink.values[folded] == 1
        assert set(await sink.taken()) == {"1-0", "1-2"}


class TestFallback(TestNewest):
    @pytest_asyncio.fixture
    async def sink(self):
        async with running(RemoteWriteSink(knows_newest=False, says_415=False)) as sink:
            yield sink
