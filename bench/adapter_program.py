"""An adapter's program that takes everything and decodes nothing but the batch's id, for bench.adapters."""

from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection

import grpc

from telemetry.adapter_protocol.messages import SERVICE, number, of

LIMIT_BYTES = 256 << 20


def program(told: Connection, encoding: str) -> None:
    """Serve until told to end; tells its port first."""
    described = of("DescribeResponse")(
        name="bench",
        protocol_versions=[1],
        templates=[1, 2, 3, 4, 5],
        encodings=[number("Encoding", encoding)],
        limits={"max_message_bytes": LIMIT_BYTES},
    ).SerializeToString()

    def export(requests, context):
        next(requests)
        for request in requests:
            yield of("ExportResponse")(id=request.batch.id, ok={}).SerializeToString()

    server = grpc.server(ThreadPoolExecutor(4), options=[("grpc.max_receive_message_length", LIMIT_BYTES)])
    methods = {
        "Describe": grpc.unary_unary_rpc_method_handler(lambda request, context: described),
        "Validate": grpc.unary_unary_rpc_method_handler(lambda request, context: b""),
        "Export": grpc.stream_stream_rpc_method_handler(export, request_deserializer=of("ExportRequest").FromString),
    }
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, methods)])
    told.send(server.add_insecure_port("127.0.0.1:0"))
    server.start()
    told.recv()
