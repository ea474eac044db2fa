"""The catalog file as JSON Schema, for editors."""

from typing import Any

from telemetry.catalog.model import CatalogFile
from telemetry.config.schema import AsWritten

__all__ = ["json_schema"]


def json_schema() -> dict[str, Any]:
    """Give the schema of a catalog file."""
    made = CatalogFile.model_json_schema(by_alias=True, schema_generator=AsWritten)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **made,
        "title": "Mesh Telemetry's service catalog",
    }
