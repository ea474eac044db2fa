"""One mesh for all tests of a module, reporting to an access log service that only counts."""

from collections import Counter
from collections.abc import AsyncIterator

import grpc
import pytest
import pytest_asyncio
from envoy.service.accesslog.v3 import als_pb2

from telemetry.demo.mesh import Mesh
from telemetry.demo.network import claimed_network
from telemetry.demo.topology import bookinfo


class CountingAls:
    """A real access log service: `entries` by node id and log name, of finished requests and connections."""

    def __init__(self):
        self.entries = Counter()
        self.nodes = {}

    async def stream(self, messages, context):
        identifier = None
        async for message in messages:
            if message.HasField("identifier"):
                identifier = message.identifier
                self.nodes[identifier.node.id] = identifier.node
            logs = (*message.http_logs.log_entry, *message.tcp_logs.log_entry)
            self.entries[identifier.node.id, identifier.log_name] += len(logs)
        return als_pb2.StreamAccessLogsResponse()

    def serve_on(self, server):
        handler = grpc.stream_unary_rpc_method_handler(
            self.stream,
            request_deserializer=als_pb2.StreamAccessLogsMessage.FromString,
            response_serializer=als_pb2.StreamAccessLogsResponse.SerializeToString,
        )
        service = "envoy.service.accesslog.v3.AccessLogService"
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {"StreamAccessLogs": handler}),))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def als() -> AsyncIterator[tuple[CountingAls, int]]:
    counting = CountingAls()
    server = grpc.aio.server()
    counting.serve_on(server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield counting, port
    await server.stop(grace=None)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def mesh(als, envoy_binary, tmp_path_factory) -> AsyncIterator[Mesh]:
    folder = tmp_path_factory.mktemp("mesh")
    with claimed_network() as network:
        async with Mesh(bookinfo(network), ("127.0.0.1", als[1]), folder, buffer_flush_interval_s=0.2) as running:
            yield running


@pytest.fixture
def topology():
    return bookinfo("127.0.10")
