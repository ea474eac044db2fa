"""The gRPC server as its clients meet it: health, reflection, TLS, a port that is taken, an end that loses nothing."""

import asyncio

import grpc
import httpx
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from telemetry.errors import StartError
from telemetry.receivers.access_logs import METHOD, SERVICE
from telemetry.service import Service
from tests.authority import Authority
from tests.service.running import Envoy, counted, running, settings, total, until
from tests.wire import inbound, message, node, outbound

REVIEWS = node()


async def test_health_says_serving():
    async with running() as service, grpc.aio.insecure_channel(f"127.0.0.1:{service.grpc_port}") as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        for name in ("", SERVICE):
            answer = await stub.Check(health_pb2.HealthCheckRequest(service=name))
            assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_reflection_lists_and_describes_envoys_service():
    async with running() as service, grpc.aio.insecure_channel(f"127.0.0.1:{service.grpc_port}") as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        requests = [
            reflection_pb2.ServerReflectionRequest(list_services=""),
            reflection_pb2.ServerReflectionRequest(file_containing_symbol=SERVICE),
        ]
        listed, described = [answer async for answer in stub.ServerReflectionInfo(iter(requests))]
    assert SERVICE in {one.name for one in listed.list_services_response.service}
    files = map(FileDescriptorProto.FromString, described.file_descriptor_response.file_descriptor_proto)
    assert "StreamAccessLogs" in {method.name for file in files for one in file.service for method in one.method}


async def test_a_second_instance_on_a_taken_port_fails_loudly():
    async with running() as first:
        taken = settings(receiver={"grpc": {"address": f"127.0.0.1:{first.grpc_port}"}})
        with pytest.raises(StartError, match=rf"127\.0\.0\.1:{first.grpc_port}: .*receiver\.grpc\.address"):
            async with Service(taken):
                pytest.fail("it started")
        taken = settings(http={"address": f"127.0.0.1:{first.http_port}"})
        with pytest.raises(StartError, match=r"http\.address"):
            async with Service(taken):
                pytest.fail("it started")


async def test_an_unknown_method_is_unimplemented():
    async with running() as service, grpc.aio.insecure_channel(f"127.0.0.1:{service.grpc_port}") as channel:
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await channel.unary_unary("/envoy.service.accesslog.v3.AccessLogService/Nothing")(b"")
        assert error.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_nodes_and_streams_are_counted_while_they_are_there():
    async with running() as service:
        one, two = Envoy(service.grpc_port), Envoy(service.grpc_port)
        await one.send(message(sender=REVIEWS))
        await two.send(message(sender=REVIEWS, log_name="tcp"))
        await until(lambda: counted(service, "telemetry_receiver_streams") == 2)
        await until(lambda: counted(service, "telemetry_receiver_nodes") == 1)
        await one.end()
        await two.drop()
        await until(lambda: counted(service, "telemetry_receiver_streams") == 0)
        assert counted(service, "telemetry_receiver_nodes") == 0
        assert counted(service, "telemetry_receiver_streams_closed_total", reason="completed") == 1
        await until(lambda: counted(service, "telemetry_receiver_streams_closed_total", reason="cancelled") == 1)


async def test_both_ends_of_a_hop_name_each_other_once_both_have_connected():
    productpage = node("productpage-v1", "10.0.0.1")
    async with running() as service:
        client, server = Envoy(service.grpc_port), Envoy(service.grpc_port)
        await client.send(message(sender=productpage))
        await server.send(message(sender=REVIEWS))
        await until(lambda: counted(service, "telemetry_receiver_nodes") == 2)
        await client.send(message(outbound()))
        await server.send(message(inbound()))
        await until(lambda: counted(service, "telemetry_receiver_entries_total") == 2)
        await until(lambda: service.deliveries[0].account().delivered == 8)
        for reporter in ("source", "destination"):
            edge = {"source_workload": "productpage-v1", "destination_workload": "reviews-v1", "reporter": reporter}
            assert await total(service, "istio_requests_total", **edge) == 1
        await client.end()
        await server.end()


async def test_what_was_read_before_the_end_is_delivered_before_the_end():
    slow = settings(receiver={"grpc": {"address": "127.0.0.1:0"}, "coalesce": {"max_delay_s": 60.0}})
    async with running(slow) as service:
        envoy = Envoy(service.grpc_port)
        await envoy.send(message(*(inbound() for _ in range(100)), sender=REVIEWS))
        await until(lambda: counted(service, "telemetry_receiver_messages_total") == 1)
        assert counted(service, "telemetry_receiver_entries_total") == 0, "still waiting to be gathered"
    assert counted(service, "telemetry_receiver_entries_total") == 100
    assert service.deliveries[0].account().delivered == service.deliveries[0].account().offered == 4
    await envoy.drop()


async def test_readiness_is_told_over_http():
    async with running() as service, httpx.AsyncClient() as client:
        answer = await client.get(f"http://127.0.0.1:{service.http_port}/readyz")
        assert (answer.status_code, answer.json()["reasons"]) == (200, {})


@pytest.fixture
def authority(tmp_path) -> Authority:
    made = Authority(tmp_path)
    for name in ("server", "client"):
        made.issue(name)
    return made


def with_tls(authority: Authority):
    files = {
        "certificate": authority.folder / "server.pem",
        "key": authority.folder / "server.key",
        "client_ca": authority.folder / "ca.pem",
    }
    return settings(receiver={"grpc": {"address": "127.0.0.1:0", "tls": files}})


async def send_over_tls(authority: Authority, port: int, *, with_certificate: bool) -> None:
    own = (authority.read("client.key"), authority.read("client.pem")) if with_certificate else (None, None)
    credentials = grpc.ssl_channel_credentials(authority.read("ca.pem"), *own)
    async with grpc.aio.secure_channel(f"localhost:{port}", credentials) as channel, asyncio.timeout(10):
        call = channel.stream_unary(METHOD)()
        await call.write(message(inbound(), sender=REVIEWS))
        await call.done_writing()
        await call


async def test_a_client_with_a_certificate_of_ours_is_served(authority):
    async with running(with_tls(authority)) as service:
        await send_over_tls(authority, service.grpc_port, with_certificate=True)
        await until(lambda: counted(service, "telemetry_receiver_entries_total") == 1)


async def test_a_client_without_certificate_is_not_served(authority):
    async with running(with_tls(authority)) as service:
        with pytest.raises(grpc.aio.AioRpcError):
            await send_over_tls(authority, service.grpc_port, with_certificate=False)
        assert counted(service, "telemetry_receiver_streams_opened_total") == 0


async def test_a_rotated_certificate_is_used_without_restart(authority):
    async with running(with_tls(authority)) as service:
        await send_over_tls(authority, service.grpc_port, with_certificate=True)
        authority.__post_init__()
        for name in ("server", "client"):
            authority.issue(name)
        await send_over_tls(authority, service.grpc_port, with_certificate=True)
        await until(lambda: counted(service, "telemetry_receiver_entries_total") == 2)
