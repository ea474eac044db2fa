"""OTLP keeps the contract, over gRPC and over HTTP."""

import pytest_asyncio
from pydantic import SecretStr

from telemetry.adapters.otlp import Otlp
from telemetry.testing import AdapterContract, Behaviour
from tests.adapters.otlp_sinks import GrpcSink, HttpSink, running

CANNOT = {Behaviour.PARTIAL: "OTLP's partial success says how many records were refused, not which"}
SECRET = "hunter2-secret"


class TestGrpc(AdapterContract):
    adapter_class = Otlp
    huge_rows = 6_000
    cannot = CANNOT
    secrets = (SECRET,)

    @pytest_asyncio.fixture
    async def sink(self):
        async with running(GrpcSink()) as sink:
            yield sink

    def make(self, sink):
        return Otlp(
            Otlp.Config(endpoint=f"http://127.0.0.1:{sink.port}", headers={"authorization": SecretStr(SECRET)}),
            environment={},
        )


class TestHttp(AdapterContract):
    adapter_class = Otlp
    huge_rows = 6_000
    cannot = CANNOT
    secrets = (SECRET,)

    @pytest_asyncio.fixture
    async def sink(self):
        async with running(HttpSink()) as sink:
            yield sink

    def make(self, sink):
        config = Otlp.Config(
            endpoint=f"http://127.0.0.1:{sink.port}",
            protocol="http/protobuf",
            compression="gzip",
            headers={"authorization": SecretStr(SECRET)},
        )
        return Otlp(config, environment={})
