"""`telemetry audit`: keys for an audit, whether it is as it was written, what is in it."""

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from telemetry.printable import printable

if TYPE_CHECKING:
    import polars as pl

    from telemetry.audit.verifying import Report

__all__ = ["audit"]

audit = typer.Typer(help="Keys for an audit, whether it is as it was written, what is in it.", no_args_is_help=True)

Directory = Annotated[Path, typer.Argument(metavar="DIR", help="The audit's folder.", exists=True, file_okay=False)]
Time = Annotated[
    datetime | None, typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"])
]


@audit.command()
def keygen(
    private: Annotated[Path, typer.Argument(metavar="FILE", help="Where the private key goes.")],
) -> None:
    """Make a key pair: FILE (only you may read it) for the service, FILE.pub for everybody who verifies."""
    from telemetry.audit.keys import new_keys  # noqa: PLC0415 - cryptography takes a while: not for every command

    public = private.with_name(f"{private.name}.pub")
    try:
        new_keys(private, public)
    except OSError as error:
        _fail(f"{error.filename}: {error.strerror}")
    typer.echo(f"{private}: the private key; in the configuration: signing_key: file:{private}")
    typer.echo(f"{public}: the public key; keep a copy where the service can't change it")


@audit.command()
def verify(
    directory: Directory,
    public_key: Annotated[
        list[Path] | None,
        typer.Option(help="Whose signatures count. Default: the key in DIR, which a forger would have replaced."),
    ] = None,
    head: Annotated[
        str | None, typer.Option(metavar="NUMBER:HASH", help="A head that you noted: shows when the end was cut off.")
    ] = None,
    *,
    copy: Annotated[bool, typer.Option("--copy", help="DIR holds copies that `upload` made: finished files.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check an audit: every record, their order, the end. Exit code 1, and where it breaks, when it was changed."""
    from telemetry.audit.files import PUBLIC_KEY, Folder  # noqa: PLC0415 - likewise
    from telemetry.audit.keys import Trusted  # noqa: PLC0415
    from telemetry.audit.verifying import verified  # noqa: PLC0415

    noted = _noted(head)
    try:
        trusted = Trusted.of_files(public_key or [directory / PUBLIC_KEY])
        report = verified(Folder(directory), trusted, noted, copy=copy)
    except (OSError, ValueError) as error:
        _fail(str(error))
    _tell(report, as_json=as_json, own_key=not public_key)
    raise typer.Exit(0 if report.intact else 1)


def _noted(head: str | None) -> tuple[int, str] | None:
    if head is None:
        return None
    number, _, sha256 = head.partition(":")
    if not number.isdecimal() or len(sha256) != 64:
        raise typer.BadParameter(
            "must be a number, a colon and 64 hex digits, as verify prints it", param_hint="--head"
        )
    return int(number), sha256


def _tell(report: "Report", *, as_json: bool, own_key: bool) -> None:
    number, sha256 = report.head
    if as_json:
        found = [{"file": one.file, "message": one.message} for one in report.findings]
        counts = {"files": report.files, "links": report.links, "rows": report.rows, "pruned_rows": report.pruned_rows}
        typer.echo(json.dumps({"intact": report.intact, **counts, "head": f"{number}:{sha256}", "findings": found}))
        return
    for one in report.findings:
        typer.echo(printable(str(one)), err=True)
    state = "intact" if report.intact else f"CHANGED in {len(report.findings)} place(s)"
    typer.echo(f"{state}: {report.rows} records in {report.files} files, {report.links} links")
    if report.pruned_rows:
        typer.echo(f"{report.pruned_rows} records before them were let go, as its retention says")
    if report.intact:
        typer.echo(f"head {number}:{sha256} (note it elsewhere: --head shows then when the end is cut off)")
    if own_key:
        typer.echo("signatures were checked with the key in the folder itself; give --public-key to be sure", err=True)


@audit.command()
def query(
    directory: Directory,
    *,
    principal: Annotated[
        str | None, typer.Option(help="Who asked (user or workload) or answered: spiffe://…, issuer/subject.")
    ] = None,
    service: Annotated[str | None, typer.Option(help="Whom: host, the beginning of it, or workload.")] = None,
    path: Annotated[str | None, typer.Option(help="What: the beginning of the path.")] = None,
    since: Time = None,
    until: Time = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the oldest.")] = 1000,
    as_json: Annotated[bool, typer.Option("--json", help="Print lines of JSON, all fields.")] = False,
) -> None:
    """Find records by who, whom, what and when. Times without zone are this machine's. Verify first: this doesn't."""
    from telemetry.audit.files import Folder  # noqa: PLC0415 - likewise
    from telemetry.audit.querying import Question, answer  # noqa: PLC0415

    try:
        found = answer(Folder(directory), Question(principal, service, path, since, until, limit))
    except OSError as error:
        _fail(str(error))
    _print_lines(found) if as_json else _print_table(found)


def _print_lines(found: "pl.DataFrame") -> None:
    from telemetry.json_lines import members_of  # noqa: PLC0415 - likewise

    for one in members_of(found):
        typer.echo(b"{" + one)


_SHOWN = {
    "time": "time",
    "user": "actor.user.name",
    "from": "actor.app_uid",
    "method": "http_request.http_method",
    "service": "dst_endpoint.svc_name",
    "path": "http_request.url.path",
    "code": "http_response.code",
}


def _print_table(found: "pl.DataFrame") -> None:
    from rich.console import Console  # noqa: PLC0415 - likewise
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(*_SHOWN, box=None, pad_edge=False)
    for row in found.select(*_SHOWN.values()).iter_rows():
        table.add_row(*(Text("" if value is None else printable(str(value))) for value in row))
    Console().print(table)


def _fail(message: str) -> None:
    typer.echo(printable(f"telemetry: {message}"), err=True)
    raise typer.Exit(1) from None
