"""InfluxDB keeps the contract."""

import pytest
import pytest_asyncio
from pydantic import SecretStr

from telemetry.adapters.influxdb import InfluxDB
from telemetry.batch import Template
from telemetry.errors import Partial
from telemetry.testing import AdapterContract, megabytes
from tests.adapters.influx_sink import InfluxSink, running

SECRET = "hunter2-secret"


class TestInfluxDB(AdapterContract):
    adapter_class = InfluxDB
    huge_rows = 3_000
    secrets = (SECRET,)

    @pytest_asyncio.fixture
    async def sink(self):
        async with running(InfluxSink()) as sink:
            yield sink

    def make(self, sink):
        return InfluxDB(InfluxDB.Config(url=sink.url, api="v3", database="mesh", token=SecretStr(SECRET)))

    async def test_a_text_of_a_megabyte_arrives_or_is_refused_for_good(self, sink, template: Template) -> None:
        """As a field it arrives; as a tag, of a METRIC row, InfluxDB does not take it."""
        if template is not Template.METRIC:
            await super().test_a_text_of_a_megabyte_arrives_or_is_refused_for_good(sink, template)
            return
        async with self.entered(sink) as adapter:
            with pytest.raises(Partial, match="65535 bytes") as refused:
                await adapter.export(megabytes(template))
        assert list(refused.value.rejected) == [1]
        assert set(await sink.taken()) == {"1-0", "1-2"}
