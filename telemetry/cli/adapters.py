"""`telemetry adapters`: what is installed, what each accepts, and how it is configured."""

import json
from collections.abc import Mapping
from inspect import getdoc, getmodule
from typing import TYPE_CHECKING, Annotated, Any

import typer

from telemetry.printable import printable

if TYPE_CHECKING:
    from telemetry.plugin import Adapter

__all__ = ["adapters"]

Json = dict[str, Any]


def adapters(
    name: Annotated[str | None, typer.Argument(help="Show the options of this one.")] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with each one's JSON Schema.")] = False,
) -> None:
    """List the adapters that are installed, ours and others': templates, options, or what keeps one from working."""
    from telemetry.discovery import adapters as installed  # noqa: PLC0415 - for this command only

    found = installed()
    if name is not None and name not in found:
        typer.echo(printable(f"telemetry: no adapter {name!r} is installed; there are: {', '.join(found)}"), err=True)
        raise typer.Exit(2)
    told = [_about(found, one) for one in ([name] if name else found)]
    if as_json:
        typer.echo(json.dumps(told[0] if name else told, indent=2))
    elif name:
        _print_one(told[0])
    else:
        _print_list(told)
    if name and "error" in told[0]:
        raise typer.Exit(1)


def _about(found: "Mapping[str, type[Adapter]]", name: str) -> Json:
    """Give what there is to say of it; `error` where it can't be used."""
    from telemetry.config.handlers import settings_class  # noqa: PLC0415 - pydantic takes a while: not for every command
    from telemetry.config.schema import AsWritten  # noqa: PLC0415

    try:
        adapter = found[name]
        settings_class(adapter)
        schema = adapter.Config.model_json_schema(by_alias=True, schema_generator=AsWritten)
    except (ImportError, AttributeError, TypeError) as error:
        return {"name": name, "error": f"{error}; its extra is mesh-telemetry[{name}]"}
    return {
        "name": name,
        "class": f"{adapter.__module__}.{adapter.__qualname__}",
        "summary": (getdoc(getmodule(adapter)) or getdoc(adapter) or "").strip().partition("\n")[0],
        "templates": sorted(template.value for template in adapter.accepts),
        "options": _options(schema),
        "schema": schema,
    }


def _options(schema: Json) -> list[Json]:
    required = schema.get("required", [])
    return [
        {
            "name": name,
            "type": _type(one, schema.get("$defs", {})),
            "required": name in required,
            "default": one.get("default"),
            "description": one.get("description", ""),
        }
        for name, one in schema.get("properties", {}).items()
    ]


def _type(schema: Json, definitions: Json) -> str:
    """Say in a word what is to be written."""
    if "$ref" in schema:
        return _type(definitions.get(schema["$ref"].rpartition("/")[2], {}), definitions)
    if values := schema.get("enum", [schema["const"]] if "const" in schema else []):
        return " | ".join(map(json.dumps, values))
    if "anyOf" in schema:
        return " | ".join(dict.fromkeys(_type(one, definitions) for one in schema["anyOf"]))
    if "pattern" in schema:
        return _OF_PATTERN.get(schema["pattern"][:6], "string")
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}), definitions)}"
    return str(schema.get("type", "any"))


# By how the patterns of telemetry.options begin.
_OF_PATTERN = {"^(\\d{1": "duration", "^\\d{1,": "size", "^(file": "secret", "^(\\[[0": "address"}


def _print_list(told: list[Json]) -> None:
    from rich.console import Console  # noqa: PLC0415 - likewise
    from rich.table import Table  # noqa: PLC0415

    table = Table("adapter", "templates", "what it does", box=None, pad_edge=False)
    for one in told:
        # What an adapter of others says of itself is text, whatever it looks like.
        cells = (
            one["name"],
            ", ".join(one.get("templates", [])),
            one.get("summary") or f"can't be used: {one['error']}",
        )
        table.add_row(*map(_cell, cells))
    Console().print(table)
    typer.echo("\n`telemetry adapters NAME` shows the options of one, `telemetry new adapter NAME` begins another.")


def _print_one(one: Json) -> None:
    from rich.console import Console  # noqa: PLC0415 - likewise
    from rich.table import Table  # noqa: PLC0415

    if "error" in one:
        typer.echo(printable(f"telemetry: adapter {one['name']} can't be used: {one['error']}"), err=True)
        return
    typer.echo(printable(f"{one['name']} ({one['class']}): {one['summary']}"))
    typer.echo(f"templates: {', '.join(one['templates'])}\n")
    table = Table("option", "type", "default", "meaning", box=None, pad_edge=False)
    for option in one["options"]:
        default = "required" if option["required"] else json.dumps(option["default"])
        table.add_row(*map(_cell, (option["name"], option["type"], default, option["description"])))
    Console().print(table)


def _cell(text: str) -> Any:  # noqa: ANN401 - rich is imported when it is needed
    from rich.text import Text  # noqa: PLC0415 - likewise

    return Text(printable(text))
