"""Whatever a file holds, the outcome is settings or a ConfigError, never another exception."""

from pathlib import Path

import yaml
from hypothesis import given
from hypothesis import strategies as st

from telemetry.config import Settings
from telemetry.config.loading import parse
from telemetry.errors import ConfigError
from tests.config.adapters import INSTALLED

EXAMPLE = (Path(__file__).parents[2] / "config/telemetry.yaml").read_bytes()

KEYS = st.sampled_from(
    [
        *("receiver", "grpc", "address", "tls", "certificate", "insecure", "max_message_bytes", "keepalive_time"),
        *("access_logs", "request_headers", "coalesce", "max_delay", "http", "journal", "on_full", "mesh", "log"),
        *("handlers", "prometheus", "adapter", "delivery", "deadline", "token", "limit", "level", "shutdown"),
    ]
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["prometheus", "kafka", "1s", "4MiB", "env:X", "file:\0", "127.0.0.1:1", "info"])
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.text(max_size=5), inner, max_size=4)
)


def outcome(content: bytes) -> Settings | ConfigError:
    try:
        return parse(content, "t.yaml", folder=Path("/nonexistent"), installed=INSTALLED)
    except ConfigError as error:
        return error


def is_sound(content: bytes) -> bool:
    """Settings, or faults that are in file order and inside the file."""
    found = outcome(content)
    if isinstance(found, Settings):
        return True
    lines = content.count(b"\n") + content.count(b"\r") + content.count(b"\x85") + content.count(b"\xe2\x80") + 1
    places = [(fault.line, fault.column) for fault in found.faults]
    return bool(places) and places == sorted(places) and all(1 <= x <= lines and y >= 1 for x, y in places)


@given(st.binary(max_size=200))
def test_any_bytes_give_settings_or_faults(content: bytes) -> None:
    assert is_sound(content)


@given(st.text(alphabet="ab:-[]{},&*!|>'\"#%?\n \t0x_<.", max_size=60))
def test_any_text_of_yaml_signs_gives_settings_or_faults(text: str) -> None:
    assert is_sound(text.encode())


@given(st.dictionaries(KEYS, VALUES, max_size=5))
def test_any_values_under_our_keys_give_settings_or_faults(value: dict[str, object]) -> None:
    assert is_sound(yaml.safe_dump(value).encode())


@given(st.integers(0, len(EXAMPLE)), st.integers(0, 30), st.binary(max_size=10))
def test_any_change_to_the_example_gives_settings_or_faults(at: int, cut: int, put: bytes) -> None:
    assert is_sound(EXAMPLE[:at] + put + EXAMPLE[at + cut :])


@given(VALUES)
def test_any_handler_gives_settings_or_faults(value: object) -> None:
    handlers = {"handlers": {"a": {"adapter": "recorder", "token": value, "limit": value, "delivery": value}}}
    assert is_sound(yaml.safe_dump(handlers).encode())
