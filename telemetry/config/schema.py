"""The configuration as JSON Schema, for editors."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema

from telemetry.config.handlers import HandlerSettings, settings_class
from telemetry.config.settings import Settings
from telemetry.discovery import adapters
from telemetry.options import Address

if TYPE_CHECKING:
    from telemetry.plugin import Adapter

__all__ = ["AsWritten", "json_schema"]


class AsWritten(GenerateJsonSchema):
    """Gives defaults as they would be written in a file."""

    def encode_default(self, dft: Any) -> Any:  # noqa: ANN401 - pydantic's own
        """Write addresses as text."""
        return str(dft) if isinstance(dft, Address) else super().encode_default(dft)

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """Write durations with their unit."""
        made = super().default_schema(schema)
        default = made.get("default")
        if isinstance(default, float) and made.get("type") == "string":
            made["default"] = f"{default:.12g}s" if default >= 1 else f"{default * 1000:g}ms"
        return made


def json_schema(installed: "Mapping[str, type[Adapter]] | None" = None) -> dict[str, Any]:
    """Give the schema of a configuration file, each installed adapter's options included.

    Raises ImportError when an adapter's own packages are missing.
    """
    found = adapters() if installed is None else installed
    handlers = {name: settings_class(found[name]) for name in found}
    models: list[type[BaseModel]] = [Settings, *handlers.values()]
    references, schema = models_json_schema(
        [(model, "validation") for model in models], by_alias=True, schema_generator=AsWritten
    )
    definitions = schema["$defs"]
    root = definitions.pop(_name(references[Settings, "validation"]))
    definitions.pop(HandlerSettings.__name__, None)
    branches = [
        {"if": {"properties": {"adapter": {"const": name}}}, "then": references[model, "validation"]}
        for name, model in handlers.items()
    ]
    one_handler = {"type": "object", "required": ["adapter"], "properties": {"adapter": {"enum": list(handlers)}}}
    # Under patternProperties there is what any handler has; nobody's options are in it.
    (pattern,) = root["properties"]["handlers"].pop("patternProperties")
    root["properties"]["handlers"] |= {
        "patternProperties": {pattern: {**one_handler, "allOf": branches}},
        "additionalProperties": False,
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **root,
        "title": "Mesh Telemetry's configuration",
        "$defs": definitions,
    }


def _name(reference: Mapping[str, str]) -> str:
    return reference["$ref"].rpartition("/")[2]
