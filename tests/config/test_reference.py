"""The schema and the documentation know every key."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import jsonschema
import pytest
import yaml
from pydantic import BaseModel

from telemetry.config import Settings, load
from telemetry.config.handlers import HandlerSettings
from telemetry.config.schema import json_schema
from tests.config.adapters import INSTALLED, Recorder

ROOT = Path(__file__).parents[2]
EXAMPLE = yaml.safe_load((ROOT / "config/telemetry.yaml").read_text())
SCHEMA = json_schema({"prometheus": Recorder, "recorder": Recorder})


def keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        key = f"{prefix}{field.alias or name}"
        assert field.description, f"{key} has no description"
        yield key
        kinds = [kind for kind in (field.annotation, *get_args(field.annotation)) if isinstance(kind, type)]
        for section in (kind for kind in kinds if issubclass(kind, BaseModel) and key != "handlers"):
            yield from keys(section, f"{key}.")
    if model is Settings:
        yield from keys(HandlerSettings, "handlers.NAME.")


def test_every_key_is_documented_and_nothing_else() -> None:
    documented = re.findall(r"^\| `([a-zA-Z_.]+)` \|", (ROOT / "docs/configuration.md").read_text(), re.MULTILINE)
    assert sorted(documented) == sorted(keys(Settings))


def test_documented_defaults_are_the_defaults() -> None:
    rows = re.findall(r"^\| `([a-z_.]+)` \| (`[^|]+`) \|", (ROOT / "docs/configuration.md").read_text(), re.MULTILINE)
    tree: dict[str, object] = {}
    for key, default in rows:
        *path, last = key.split(".")
        section = tree
        for step in path:
            section = section.setdefault(step, {})  # type: ignore[assignment]
        values = [yaml.safe_load(value) for value in re.findall(r"`([^`]+)`", default)]
        # Lists are documented without brackets; YAML's own list of headers begins with a colon.
        section[last] = values if "headers" in last or last in {"response_trailers", "filter_state"} else values[0]
    # Its default and its options depend on what is installed.
    made = Settings.model_validate({**tree, "handlers": DEFAULTS.handlers})
    assert made.model_dump(exclude={"handlers"}) == DEFAULTS.model_dump(exclude={"handlers"})


DEFAULTS = load(None, installed=INSTALLED)


def test_the_schema_takes_the_example() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(EXAMPLE, SCHEMA)


def test_the_schema_takes_its_own_defaults() -> None:
    for section in SCHEMA["$defs"].values():
        for value in section.get("properties", {}).values():
            if "default" in value:
                # Not `validate`, which would check the whole schema each time.
                jsonschema.Draft202012Validator({**value, "$defs": SCHEMA["$defs"]}).validate(value["default"])


@pytest.mark.parametrize(
    "wrong",
    [
        {"recever": {}},
        {"receiver": {"grpc": {"max_message_bytes": "4 parsecs"}}},
        {"shutdown": {"deadline": 5}},
        {"http": {"address": "nowhere"}},
        {"log": {"level": "loud"}},
        {"handlers": {"a": {}}},
        {"handlers": {"A": {"adapter": "recorder"}}},
        {"handlers": {"a": {"adapter": "absent"}}},
        {"handlers": {"a": {"adapter": "recorder", "topik": "x"}}},
        {"handlers": {"a": {"adapter": "recorder", "token": "hunter2"}}},
    ],
)
def test_the_schema_refuses_what_we_refuse(wrong: object) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, SCHEMA)


def test_the_schema_takes_every_kind_of_option() -> None:
    handler = {"adapter": "recorder", "linger": "5s", "chunk_bytes": "1KiB", "token": "env:X", "delivery": {}}
    jsonschema.validate({"handlers": {"a": handler}}, SCHEMA)


def test_the_schema_says_nothing_of_this_machine() -> None:
    assert DEFAULTS.receiver.name not in re.findall(r"[\w-]+", str(SCHEMA["$defs"]["ReceiverSettings"].get("default")))
