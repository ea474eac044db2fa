"""`telemetry dead-letters`: look at the rows that sinks have rejected."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from telemetry.cli.faults import CONFIG_FAULTS, config_faults
from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from telemetry.dead_letters import DeadLetter

__all__ = ["dead_letters"]

dead_letters = typer.Typer(no_args_is_help=True, help="Look at the rows that sinks have rejected.")

_FolderOption = Annotated[
    Path | None, typer.Option("--folder", metavar="DIR", help="The folder of dead letters, in place of --config's.")
]
_ConfigOption = Annotated[
    Path | None, typer.Option("--config", "-c", metavar="FILE", help="The configuration that names their folder.")
]


@dead_letters.command("list")
def list_(
    config: _ConfigOption = None,
    folder: _FolderOption = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one object a file.")] = False,
) -> None:
    """List the files, oldest first: whose, since when, how many rows, and the commonest reason.

    Exit codes: 0 listed, 2 there is no such folder, or the configuration has faults.
    """
    import orjson  # noqa: PLC0415

    from telemetry.dead_letters import Unreadable, read  # noqa: PLC0415 - polars takes long
    from telemetry.printable import printable  # noqa: PLC0415

    for path in sorted(_folder(config, folder).rglob("*.arrow"), key=lambda path: path.name):
        try:
            about = _about(path, read(path))
        except (Unreadable, OSError) as error:
            about = {"file": str(path), "unreadable": str(error)}
        if as_json:
            typer.echo(orjson.dumps(about, default=str))
        else:
            typer.echo(printable("  ".join(str(value) for value in about.values())))


@dead_letters.command()
def show(
    file: Annotated[Path, typer.Argument(help="One of the files.")],
    *,
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="At most so many rows.")] = 10,
) -> None:
    """Print the rows of a file as JSON, one a line: identity, reason, and every attribute that is not null.

    Exit codes: 0 printed, 2 the file can't be read.
    """
    import orjson  # noqa: PLC0415

    from telemetry.dead_letters import Unreadable, read  # noqa: PLC0415 - polars takes long

    try:
        letter = read(file)
    except (Unreadable, OSError) as error:
        raise _wrong(str(error)) from None
    batch = letter.batch
    numbers = batch.row_numbers.to_list()
    for number, reason, row in zip(numbers, letter.reasons, batch.rows.head(limit).iter_rows(named=True), strict=False):
        identity = {"receiver": batch.receiver, "epoch": batch.epoch, "sequence": batch.sequence, "row": number}
        told = {name: value for name, value in row.items() if value is not None}
        text = orjson.dumps({**identity, "reason": reason, **told}, default=str).decode()
        typer.echo(text.replace("\x7f", "\\u007f"))  # the one control character that JSON lets through


def _about(path: Path, letter: "DeadLetter") -> dict[str, Any]:
    from datetime import UTC, datetime  # noqa: PLC0415

    when = datetime.fromtimestamp(letter.time_ns // 10**9, UTC)
    (reason, _), *_ = Counter(letter.reasons).most_common(1)
    return {
        "time": f"{when:%Y-%m-%dT%H:%M:%SZ}",
        "handler": letter.handler,
        "template": letter.batch.template.value,
        "rows": len(letter.batch.rows),
        "file": str(path),
        "reason": reason,
    }


def _folder(config: Path | None, folder: Path | None) -> Path:
    from telemetry.config import load  # noqa: PLC0415

    if folder is None:
        try:
            settings = load(config)
        except ConfigError as error:
            raise config_faults(error) from None
        folder = settings.dead_letters.folder(settings.journal.path)
    if folder is None:
        raise _wrong("the configuration keeps no dead letters: set dead_letters.path, or name a folder with --folder")
    return folder


def _wrong(message: str) -> typer.Exit:
    from telemetry.printable import printable  # noqa: PLC0415

    typer.echo(printable(f"telemetry dead-letters: {message}"), err=True)
    return typer.Exit(CONFIG_FAULTS)
