"""What the program and we have agreed upon before anything is sent: it is well, who it is, the version, the options."""

from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import grpc
from grpc_health.v1 import health_pb2

from telemetry.adapter_protocol.encodings import ENCODINGS
from telemetry.adapter_protocol.messages import SERVICE, method, number, of
from telemetry.adapter_protocol.options import Options
from telemetry.adapter_protocol.verdicts import Said, failed_call
from telemetry.errors import Retry

__all__ = ["PROTOCOL_VERSIONS", "Agreement", "agree"]

PROTOCOL_VERSIONS = (1,)
"""Those that we speak."""
DEFAULT_MESSAGE_BYTES = 4 << 20
"""What gRPC takes unless told otherwise, in every language."""

_HEALTH = "/grpc.health.v1.Health/Check"
_MOST_FAULTS = 20


@dataclass(frozen=True, slots=True)
class Agreement:
    """`name`: the program's, made fit to print. `max_rows` None: any number."""

    name: str
    protocol_version: int
    encoding: str
    max_rows: int | None
    max_message_bytes: int


async def agree(channel: grpc.aio.Channel, options: Options, said: Said) -> Agreement:
    """Ask for health, Describe and Validate. Raises Retry, saying what the operator can do, when they don't suffice."""
    await _healthy(channel, said)
    described = await _call(channel, "Describe", _who_we_are(), said)
    name = said(f"{described.name} {described.version}".strip())
    agreement = Agreement(
        name,
        _version(described, name),
        _encoding(described, name, options),
        described.limits.max_rows or None,
        min(int(options.max_message_bytes), described.limits.max_message_bytes or DEFAULT_MESSAGE_BYTES),
    )
    _templates(described, name, options)
    validated = await _call(channel, "Validate", of("ValidateRequest")(options_json=options.options_json()), said)
    if validated.faults:
        faults = "; ".join(said(f"{one.path}: {one.message}") for one in validated.faults[:_MOST_FAULTS])
        raise Retry(f"grpc: {name} finds faults in options: {faults}")
    return agreement


def _who_we_are() -> Any:  # noqa: ANN401 - a class that is known at run time only
    client = f"mesh-telemetry {version('mesh-telemetry')}"
    return of("DescribeRequest")(protocol_versions=PROTOCOL_VERSIONS, client=client)


async def _healthy(channel: grpc.aio.Channel, said: Said) -> None:
    check = channel.unary_unary(
        _HEALTH,
        request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
        response_deserializer=health_pb2.HealthCheckResponse.FromString,
    )
    try:
        answer = await check(health_pb2.HealthCheckRequest(service=SERVICE))
    except grpc.aio.AioRpcError as error:
        # Without the service, or without having said anything of ours, it counts as well.
        if error.code() in {grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.NOT_FOUND}:
            return
        raise failed_call("health", error.code(), error.details() or "", said) from None
    if answer is None or answer.status != health_pb2.HealthCheckResponse.SERVING:
        raise Retry("grpc: the adapter's health is not SERVING; its own log should say why")


async def _call(channel: grpc.aio.Channel, name: str, request: Any, said: Said) -> Any:  # noqa: ANN401 - likewise
    kind = of(f"{name}Response")
    call = channel.unary_unary(
        method(name), request_serializer=type(request).SerializeToString, response_deserializer=kind.FromString
    )
    try:
        answer = await call(request)
    except grpc.aio.AioRpcError as error:
        raise failed_call(name, error.code(), error.details() or "", said) from None
    if not isinstance(answer, kind):  # which gRPC logs, and gives as None
        raise Retry(f"grpc: what answers {name} is no adapter of telemetry.adapter.v1; check the address")
    return answer


def _version(described: Any, name: str) -> int:  # noqa: ANN401 - likewise
    common = [one for one in PROTOCOL_VERSIONS if one in described.protocol_versions]
    if not common:
        theirs = ", ".join(map(str, sorted(described.protocol_versions)[:10])) or "none"
        ours = ", ".join(map(str, PROTOCOL_VERSIONS))
        raise Retry(f"grpc: {name} speaks protocol versions {theirs}, we speak {ours}; upgrade the older of the two")
    return max(common)


def _encoding(described: Any, name: str, options: Options) -> str:  # noqa: ANN401 - likewise
    wanted = ENCODINGS if options.encoding == "auto" else (options.encoding,)
    ours = {number("Encoding", one.upper()): one for one in wanted}
    for theirs in described.encodings:
        if theirs in ours:
            return ours[theirs]
    raise Retry(f"grpc: {name} reads none of the encodings {', '.join(wanted)}; change the option encoding")


def _templates(described: Any, name: str, options: Options) -> None:  # noqa: ANN401 - likewise
    accepted = set(described.templates)
    if refused := [one for one in options.templates if number("Template", one.name) not in accepted]:
        raise Retry(f"grpc: {name} does not accept {', '.join(refused)}; leave it out of the option templates")
