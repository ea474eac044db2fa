"""The command `telemetry`: one file per command. Each imports what it needs when it runs, so that all start fast."""

import typer

from telemetry.cli.attributes import attributes
from telemetry.cli.catalog import catalog
from telemetry.cli.demo import demo
from telemetry.cli.explain import explain
from telemetry.cli.generate import generate
from telemetry.cli.schema import schema
from telemetry.cli.serve import serve
from telemetry.cli.validate import validate
from telemetry.cli.version import version

__all__ = ["app", "main"]

app = typer.Typer(
    name="telemetry",
    help="The telemetry pipeline for every Envoy mesh.",
    no_args_is_help=True,
    # A traceback's local variables may hold secrets.
    pretty_exceptions_show_locals=False,
)
for command in (serve, validate, schema, attributes, explain, version, demo):
    app.command()(command)
app.add_typer(generate, name="generate")
app.add_typer(catalog, name="catalog")


def main() -> None:
    """Run the command that the arguments name, and exit."""
    app()
