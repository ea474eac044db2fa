"""`telemetry generate`: the configuration that makes a mesh report to us."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from telemetry.cli.faults import config_faults
from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from telemetry.sinks.sink import Sink

__all__ = ["generate"]

generate = typer.Typer(help="Print the configuration that makes a mesh report to this service.", no_args_is_help=True)

Address = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT",
        help="Where the mesh reaches this service. Default: the configuration's receiver.grpc.address.",
    ),
]
Config = Annotated[
    Path | None,
    typer.Option("--config", "-c", metavar="FILE", help="The service's configuration: headers, TLS, address."),
]


@generate.command()
def envoy(address: Address = None, config: Config = None) -> None:
    """For an Envoy with a configuration of its own: access loggers and a cluster, as YAML."""
    from telemetry.sinks.envoy import envoy as text  # noqa: PLC0415 - pydantic takes a while: not for every command

    _print(text, address, config)


@generate.command()
def istio(address: Address = None, config: Config = None) -> None:
    """For Istio: extension providers for the mesh configuration and a Telemetry resource, as YAML."""
    from telemetry.sinks.istio import istio as text  # noqa: PLC0415

    _print(text, address, config)


@generate.command()
def consul(address: Address = None, config: Config = None) -> None:
    """For Consul: proxy defaults and listeners by its escape hatches, as HCL. Read the comments: it costs something."""
    from telemetry.sinks.consul import consul as text  # noqa: PLC0415

    _print(text, address, config)


def _print(text: "Callable[[Sink], str]", address: str | None, config: Path | None) -> None:
    from telemetry.config import load  # noqa: PLC0415
    from telemetry.sinks.sink import Sink  # noqa: PLC0415

    try:
        receiver = load(config).receiver
    except ConfigError as error:
        raise config_faults(error) from None
    try:
        sink = Sink.at(address or str(receiver.grpc.address), receiver.access_logs, tls=receiver.grpc.tls is not None)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--address") from None
    typer.echo(text(sink), nl=False)
