"""The command `telemetry`: one file per command. Each imports what it needs when it runs, so that all start fast."""

from collections.abc import Callable

import typer

from telemetry.cli.adapters import adapters
from telemetry.cli.attributes import attributes
from telemetry.cli.audit import audit
from telemetry.cli.catalog import catalog
from telemetry.cli.dead_letters import dead_letters
from telemetry.cli.demo import demo
from telemetry.cli.diff import diff
from telemetry.cli.explain import explain
from telemetry.cli.generate import generate
from telemetry.cli.graph import graph
from telemetry.cli.impact import impact
from telemetry.cli.new import new
from telemetry.cli.replay import replay
from telemetry.cli.schema import schema
from telemetry.cli.serve import serve
from telemetry.cli.services import services
from telemetry.cli.tap import tap
from telemetry.cli.top import top
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
# fmt: off
_COMMANDS: tuple[Callable[..., None], ...] = (
    serve, validate, diff, schema, adapters, attributes, explain, tap, top, graph, services, impact, replay, demo,
    version,
)
# fmt: on
for command in _COMMANDS:
    app.command()(command)
app.add_typer(generate, name="generate")
app.add_typer(catalog, name="catalog")
app.add_typer(audit, name="audit")
app.add_typer(new, name="new")
app.add_typer(dead_letters, name="dead-letters")


def main() -> None:
    """Run the command that the arguments name, and exit."""
    app()
