"""How commands end when something is wrong: on stderr, in plain text, with the exit code of its kind."""

import typer

from telemetry.errors import ConfigError, StartError
from telemetry.printable import printable

__all__ = ["CONFIG_FAULTS", "NO_START", "config_faults", "no_start"]

NO_START = 1
CONFIG_FAULTS = 2


def config_faults(error: ConfigError) -> typer.Exit:
    """Print every fault in the form that editors and CI make links of; give what to raise.

    Each begins a line; what it has to show besides (an expression, with a caret under the fault) is indented below.
    """
    for fault in error.faults:
        typer.echo(printable(str(fault), keep_newlines=True).replace("\n", "\n  "), err=True)
    return typer.Exit(CONFIG_FAULTS)


def no_start(error: StartError) -> typer.Exit:
    """Print why the service can't start; give what to raise."""
    typer.echo(printable(f"telemetry: {error}"), err=True)
    return typer.Exit(NO_START)
