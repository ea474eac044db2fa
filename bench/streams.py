"""Streams of access logs as Envoy 1.40 sends them in an Istio mesh, written as gRPC frames for h2load."""

import random
import struct
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from envoy.config.core.v3.address_pb2 import Address, SocketAddress
from envoy.config.core.v3.base_pb2 import BuildVersion, Extension, Locality, Node
from envoy.data.accesslog.v3 import accesslog_pb2 as als
from envoy.service.accesslog.v3.als_pb2 import StreamAccessLogsMessage
from envoy.type.v3.semantic_version_pb2 import SemanticVersion
from google.protobuf.duration_pb2 import Duration
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp
from google.protobuf.wrappers_pb2 import UInt32Value

from bench.mesh import Mesh, Request, Workload

ENVOYS_ENTRIES = 30
"""As many entries of our size fill Envoy's buffer of 16 KiB."""

# Envoy sends the list of all its extensions with each stream: 516 of them, 60 KB.
EXTENSIONS = [
    Extension(
        name=f"envoy.filters.http.extension_number_{number}",
        category="envoy.filters.http",
        type_urls=[f"envoy.extensions.filters.http.extension_{number}.v3.Config"],
    )
    for number in range(516)
]


@dataclass(frozen=True, slots=True)
class Stream:
    """A file with all that one Envoy says in one stream, framed for gRPC."""

    path: Path
    entries: int
    size_bytes: int


def write(mesh: Mesh, folder: Path, entries_per_message: int = ENVOYS_ENTRIES, rounds: int = 1) -> Sequence[Stream]:
    """Write the stream of each workload's sidecar into the folder; it says everything `rounds` times over.

    Envoys keep a stream for as long as they live, so a stream of a few messages would measure the opening of streams.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor() as pool:
        one = partial(_write_one, mesh, folder, entries_per_message, rounds)
        return list(pool.map(one, mesh.members, chunksize=8))


def _write_one(mesh: Mesh, folder: Path, entries_per_message: int, rounds: int, workload: Workload) -> Stream:
    entries = entries_of(mesh, workload)
    path = folder / f"{workload.pod}.grpc"
    first, *rest = messages(workload, entries, entries_per_message)
    named = frame(first)
    first.ClearField("identifier")
    others = b"".join(map(frame, rest))
    path.write_bytes(named + others + (frame(first) + others) * (rounds - 1))
    return Stream(path, rounds * len(entries), path.stat().st_size)


def frame(message: StreamAccessLogsMessage) -> bytes:
    """Give a message as gRPC carries it: a flag for compression, the length, the bytes."""
    body = message.SerializeToString()
    return struct.pack(">?I", False, len(body)) + body


def messages(
    workload: Workload, entries: Sequence[als.HTTPAccessLogEntry], entries_per_message: int
) -> Iterator[StreamAccessLogsMessage]:
    """Give the messages of one stream: the first one names the Envoy, all carry entries."""
    for start in range(0, len(entries), entries_per_message):
        some = entries[start : start + entries_per_message]
        logs = StreamAccessLogsMessage.HTTPAccessLogEntries(log_entry=some)
        who = None if start else identifier(workload)
        yield StreamAccessLogsMessage(identifier=who, http_logs=logs)


def identifier(workload: Workload) -> StreamAccessLogsMessage.Identifier:
    """Give what a sidecar says of itself at the start of a stream: 61 KB, nearly all of it extensions."""
    metadata = Struct()
    metadata.update(
        {
            "NAME": workload.pod,
            "NAMESPACE": workload.namespace,
            "WORKLOAD_NAME": workload.name,
            "OWNER": f"kubernetes://apis/apps/v1/namespaces/{workload.namespace}/deployments/{workload.name}",
            "SERVICE_ACCOUNT": workload.app,
            "CLUSTER_ID": "Kubernetes",
            "MESH_ID": "cluster.local",
            "INSTANCE_IPS": workload.ip,
            "ISTIO_VERSION": "1.30.0",
            "LABELS": {
                "app": workload.app,
                "version": "v1",
                "service.istio.io/canonical-name": workload.app,
                "service.istio.io/canonical-revision": "v1",
            },
        }
    )
    node = Node(
        id=f"sidecar~{workload.ip}~{workload.pod}.{workload.namespace}~{workload.namespace}.svc.cluster.local",
        cluster=f"{workload.app}.{workload.namespace}",
        metadata=metadata,
        locality=Locality(region="europe-west4", zone="europe-west4-a"),
        user_agent_name="envoy",
        user_agent_build_version=BuildVersion(version=SemanticVersion(major_number=1, minor_number=40)),
        extensions=EXTENSIONS,
    )
    return StreamAccessLogsMessage.Identifier(node=node, log_name="http_envoy_accesslog")


def entries_of(mesh: Mesh, workload: Workload) -> list[als.HTTPAccessLogEntry]:
    """Give what the workload's sidecar logs, in an order in which requests may end."""
    entries = [
        outbound(request) if request.client is workload else inbound(request) for request in mesh.requests_of(workload)
    ]
    random.Random(workload.number).shuffle(entries)
    return entries


def outbound(request: Request) -> als.HTTPAccessLogEntry:
    """Give the client's sidecar's account of a request."""
    client, server = request.client, request.server
    entry = _entry(request, sidecar_us=400)
    entry.common_properties.MergeFrom(
        als.AccessLogCommon(
            downstream_remote_address=_address(client.ip, request.client_port),
            downstream_direct_remote_address=_address(client.ip, request.client_port),
            downstream_local_address=_address(f"10.96.{server.number // 250}.{server.number % 250 + 1}", 8080),
            upstream_remote_address=_address(server.ip, 8080),
            upstream_local_address=_address(client.ip, request.sidecar_port),
            upstream_cluster=f"outbound|8080||{server.host}",
            route_name="default",
        )
    )
    return entry


def inbound(request: Request) -> als.HTTPAccessLogEntry:
    """Give the server's sidecar's account of a request."""
    client, server = request.client, request.server
    entry = _entry(request, sidecar_us=0)
    entry.common_properties.MergeFrom(
        als.AccessLogCommon(
            downstream_remote_address=_address(client.ip, request.sidecar_port),
            downstream_direct_remote_address=_address(client.ip, request.sidecar_port),
            downstream_local_address=_address(server.ip, 8080),
            upstream_remote_address=_address(server.ip, 8080),
            upstream_local_address=_address("127.0.0.6", request.client_port),
            upstream_cluster="inbound|8080||",
            route_name="default",
            tls_properties=als.TLSProperties(
                tls_version=als.TLSProperties.TLSv1_3,
                tls_cipher_suite=UInt32Value(value=0x1302),
                tls_sni_hostname=f"outbound_.8080_._.{server.host}",
                local_certificate_properties=_certificate(server),
                peer_certificate_properties=_certificate(client),
            ),
        )
    )
    return entry


def _entry(request: Request, sidecar_us: int) -> als.HTTPAccessLogEntry:
    """Give what both sidecars agree on; the client's sees all take longer by `sidecar_us`."""
    started_s, started_us = divmod(request.started_us, 10**6)
    sent_us = 150
    answered_us = sent_us + request.app_us + sidecar_us
    entry = als.HTTPAccessLogEntry(
        common_properties=als.AccessLogCommon(
            start_time=Timestamp(seconds=started_s, nanos=started_us * 1000),
            time_to_last_rx_byte=_duration(40),
            time_to_first_upstream_tx_byte=_duration(sent_us),
            time_to_last_upstream_tx_byte=_duration(sent_us + 10),
            time_to_first_upstream_rx_byte=_duration(answered_us),
            time_to_last_upstream_rx_byte=_duration(answered_us + 90),
            time_to_first_downstream_tx_byte=_duration(answered_us + 30),
            time_to_last_downstream_tx_byte=_duration(answered_us + 110),
            duration=_duration(answered_us + 120),
            upstream_request_attempt_count=3 if request.flag == "upstream_retry_limit_exceeded" else 1,
            stream_id=request.id,
            downstream_wire_bytes_sent=request.response_bytes + 230,
            downstream_wire_bytes_received=request.request_bytes + 640,
            upstream_wire_bytes_sent=request.request_bytes + 810,
            upstream_wire_bytes_received=request.response_bytes + 170,
            access_log_type=als.DownstreamEnd,
        ),
        protocol_version=als.HTTPAccessLogEntry.HTTP11,
        request=als.HTTPRequestProperties(
            request_method=request.method,
            scheme="http",
            authority=request.authority,
            path=request.path,
            user_agent=request.user_agent,
            request_id=request.id,
            request_headers_bytes=620,
            request_body_bytes=request.request_bytes,
            request_headers={"traceparent": request.traceparent} if request.traceparent else {},
        ),
        response=als.HTTPResponseProperties(
            response_code=UInt32Value(value=request.code),
            response_headers_bytes=160,
            response_body_bytes=request.response_bytes,
            response_code_details=request.details,
        ),
    )
    if request.flag:
        entry.common_properties.response_flags.MergeFrom(als.ResponseFlags(**{request.flag: True}))
    return entry


def _address(ip: str, port: int) -> Address:
    return Address(socket_address=SocketAddress(address=ip, port_value=port))


def _certificate(workload: Workload) -> als.TLSProperties.CertificateProperties:
    name = als.TLSProperties.CertificateProperties.SubjectAltName(uri=workload.spiffe_id)
    return als.TLSProperties.CertificateProperties(subject_alt_name=[name])


def _duration(us: int) -> Duration:
    return Duration(seconds=us // 10**6, nanos=us % 10**6 * 1000)
