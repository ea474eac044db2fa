"""`telemetry new`: begins a plugin as a package whose tests pass."""

import re
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["new"]

new = typer.Typer(help="Begin a plugin: a package whose tests pass.", no_args_is_help=True)


@new.callback()
def _group() -> None:
    """Keep `adapter` a word of its own, though it is the only one."""


@new.command()
def adapter(
    name: Annotated[str, typer.Argument(help="What configurations will call it: lower case, digits and _.")],
    directory: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where the package goes. Default: ./telemetry-NAME.")
    ] = None,
) -> None:
    """Write a package with one adapter, its entry point, and a test that holds it to the contract of all adapters."""
    from telemetry.discovery import adapters  # noqa: PLC0415 - for this command only
    from telemetry.skeleton import files_of  # noqa: PLC0415

    if not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", name):
        raise typer.BadParameter("must be lower case letters, digits and _, such as my_store", param_hint="NAME")
    if name in adapters():
        raise typer.BadParameter(f"an adapter {name} is installed already", param_hint="NAME")
    target = directory or Path(f"telemetry-{name.replace('_', '-')}")
    if target.exists() and any(target.iterdir()):
        raise typer.BadParameter(f"{target} is not empty", param_hint="--directory")
    for path, content in files_of(name).items():
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        (target / path).write_text(content)
    typer.echo(f"{target}: a package with the adapter {name}")
    typer.echo(f"next: cd {target} && pip install --editable '.[test]' && pytest")
