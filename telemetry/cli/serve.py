"""`telemetry serve`: run the service."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from telemetry.cli.faults import config_faults, no_start
from telemetry.errors import ConfigError, StartError

if TYPE_CHECKING:
    from telemetry.config.settings import LogSettings

__all__ = ["serve"]


def serve(
    config: Annotated[
        Path | None, typer.Option("--config", "-c", metavar="FILE", help="The configuration; none means all defaults.")
    ] = None,
) -> None:
    """Run the service until SIGTERM or Ctrl-C, then deliver what was received. SIGHUP reads FILE again.

    Exit codes: 0 stopped, 1 could not start (the message says why), 2 the configuration has faults (all are listed).
    """
    import asyncio  # noqa: PLC0415 - as the next four: only this command needs it

    import uvloop  # noqa: PLC0415

    from telemetry.config import load  # noqa: PLC0415
    from telemetry.ending import ending_in_time  # noqa: PLC0415

    try:
        settings = load(config)
    except ConfigError as error:
        raise config_faults(error) from None
    _use_log(settings.log)
    # The pipeline is one thread over frames of some thousand rows: sharing them out costs more than it gains.
    os.environ.setdefault("POLARS_MAX_THREADS", "1")
    from telemetry.serving import serve as run  # noqa: PLC0415 - gRPC and polars take long: faults are told before

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner, ending_in_time(runner):
        try:
            runner.run(run(settings, config, _use_log))
        except ConfigError as error:  # of files that the configuration names
            raise config_faults(error) from None
        except StartError as error:
            raise no_start(error) from None


def _use_log(settings: "LogSettings") -> None:
    from telemetry import logs  # noqa: PLC0415

    logs.configure(settings.level, settings.format, sys.stderr)
