"""An adapter out of process keeps the contract: by Arrow for every template, by the other encodings as well."""

import pytest_asyncio
from pydantic import SecretStr

from telemetry.adapters.grpc import Grpc
from telemetry.batch import Template
from telemetry.testing import AdapterContract
from tests.adapters.adapter_program import Program, running

SECRET = "hunter2-secret"


class TestArrow(AdapterContract):
    adapter_class = Grpc
    secrets = (SECRET,)
    huge_rows = 4_000
    encoding = "arrow"

    @pytest_asyncio.fixture
    async def sink(self):
        # A program that repeats what it was told, secrets and all.
        async with running(Program(encodings=(self.encoding,))) as program:
            yield program

    def make(self, sink):
        return Grpc(
            Grpc.Config(
                address=f"127.0.0.1:{sink.port}",
                templates=tuple(Template),
                secret_options={"token": SecretStr(SECRET)},
                encoding=self.encoding,
            )
        )


class _Logentries(Grpc):
    """One template is enough: rows are written by the same code as for Kafka and files, and tested there."""

    accepts = frozenset({Template.LOGENTRY})


class TestJsonLines(TestArrow):
    adapter_class = _Logentries
    encoding = "json_lines"


class TestProtobuf(TestArrow):
    adapter_class = _Logentries
    encoding = "protobuf"
    huge_rows = 1_000
