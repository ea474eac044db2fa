"""`telemetry demo`: a mesh of real Envoys on this machine, and its golden signals."""

import asyncio
import signal
import tempfile
from collections.abc import Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from telemetry.errors import StartError

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["demo"]

# A pipe has no width of its own, and the tables are to be read from a CI log too.
_PIPE_WIDTH = 132


def demo(
    *,
    seconds: Annotated[
        float | None,
        typer.Option(help="End after this long, and compare with the Envoys' own access logs.", min=1),
    ] = None,
    rate: Annotated[float, typer.Option(help="Requests per second at the gateway.", min=0.1)] = 20.0,
    als_address: Annotated[str, typer.Option(help="Where Envoys report to the service.")] = "127.0.0.1:9901",
    http_address: Annotated[str, typer.Option(help="Where the service shows /metrics.")] = "127.0.0.1:9902",
    prometheus_address: Annotated[
        str, typer.Option(help="Where Prometheus listens; empty for no Prometheus.")
    ] = "127.0.0.1:9903",
    keep: Annotated[
        Path | None, typer.Option(help="Keep configurations, logs and data in this folder.", file_okay=False)
    ] = None,
) -> None:
    """Run a mesh of real Envoys with traffic, the service, and Prometheus; show the golden signals live.

    Exit codes: 0 when the comparison of a bounded run agrees, or Ctrl-C ended an unbounded one; 1 otherwise.
    """
    console = _console()
    try:
        # Only this command needs the extra.
        from telemetry.demo.run import Options, run  # noqa: PLC0415
    except ModuleNotFoundError as error:
        console.print(f"demo: no module {error.name}; run `pip install 'mesh-telemetry[demo]'`", style="red")
        raise typer.Exit(1) from None
    options = Options(seconds, rate, als_address, http_address, prometheus_address or None)
    with _folder(keep) as folder:
        try:
            agreed = asyncio.run(_until_terminated(run(options, folder, console)))
        except StartError as error:
            console.print(str(error), style="red", markup=False)
            raise typer.Exit(1) from None
        except (KeyboardInterrupt, asyncio.CancelledError):
            raise typer.Exit(0 if seconds is None else 1) from None
    raise typer.Exit(0 if agreed else 1)


def _console() -> "Console":
    from rich.console import Console  # noqa: PLC0415 - other commands start faster without it

    console = Console()
    return console if console.is_terminal else Console(width=_PIPE_WIDTH)


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    """Give the folder that was asked for, or one that goes afterwards."""
    with ExitStack() as stack:
        folder = keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="telemetry-demo-")))
        folder.mkdir(parents=True, exist_ok=True)
        yield folder


async def _until_terminated(work: Coroutine[None, None, bool]) -> bool:
    task = asyncio.ensure_future(work)
    # asyncio.run does this for Ctrl-C only.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await task
