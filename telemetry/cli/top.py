"""`telemetry top`: live golden signals from a running service."""

from enum import StrEnum
from typing import Annotated

import typer

from telemetry.cli.asking import Url
from telemetry.cli.moments import moment_ns
from telemetry.printable import printable

__all__ = ["top"]


class By(StrEnum):
    """What a line is about."""

    service = "service"
    edge = "edge"
    workload = "workload"
    operation = "operation"


class Sort(StrEnum):
    """What comes first."""

    rate = "rate"
    errors = "errors"
    p50 = "p50"
    p95 = "p95"
    p99 = "p99"
    bytes = "bytes"
    name = "name"


def top(
    *,
    by: Annotated[By, typer.Option(help="What a line is about.")] = By.service,
    sort: Annotated[Sort, typer.Option(help="What comes first; the greatest.")] = Sort.rate,
    interval: Annotated[str, typer.Option(metavar="DURATION", help="Between two looks.")] = "2s",
    once: Annotated[bool, typer.Option("--once", help="Two looks, one table, the end.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="A line of JSON for each look.")] = False,
    url: Url = "http://127.0.0.1:9902",
) -> None:
    """Show rate, errors, latency and bytes of what is going on now, from the service's page of metrics.

    Needs a handler with adapter prometheus. Of the two ends that tell of the same requests, the one is shown that
    tells of more. While it runs: r, e, 5, 9, b, n sort by rate, errors, p50, p99, bytes, name; q ends it.

    Exit codes: 0 ended; 1 the service is not there, or went away; 2 an option has faults.
    """
    try:
        interval_s = -moment_ns(f"-{interval}", 0) / 1e9
    except ValueError:
        interval_s = 0.0
    if not 0.2 <= interval_s <= 3600:
        raise _ended("--interval must be a time such as 2s, from 200ms to 1h", 2)
    import asyncio  # noqa: PLC0415 - as the next two: not for every command

    import httpx  # noqa: PLC0415

    from telemetry.cli.topping import Top  # noqa: PLC0415

    try:
        asyncio.run(Top(url, by, sort, interval_s, as_json=as_json).run(once=once))
    except KeyboardInterrupt:
        raise typer.Exit(0) from None
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise _ended(f"{url} can't be asked ({error}); is `telemetry serve` running there? See --url", 1) from None


def _ended(sentence: str, code: int) -> typer.Exit:
    typer.echo(f"telemetry top: {printable(sentence)}", err=True)
    return typer.Exit(code)
