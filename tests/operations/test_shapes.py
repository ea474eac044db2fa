"""What a segment looks like decides whether it is a word of the interface or a value."""

import uuid

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.operations.shapes import PLACEHOLDERS, kinds


def shown(*segments: str) -> list[str]:
    return [
        PLACEHOLDERS[kind] or text for kind, text in zip(kinds(pl.Series(segments)).tolist(), segments, strict=True)
    ]


@pytest.mark.parametrize(
    "word",
    [
        "users", "v1", "v1beta1", "api", "oauth2", "x86_64", "sha256", "s3", "en-US", ".well-known", "wp-login.php",
        "getUserOrdersV2ByCustomer", "@me", "batch:get", "index.html", "_search", "2fa", "facade", "deadbeef", "i18n",
    ],
)  # fmt: skip
def test_words_of_an_interface_stay(word: str) -> None:
    assert shown(word) == [word]


@pytest.mark.parametrize(
    ("value", "placeholder"),
    [
        ("5", "{id}"), ("-5", "{id}"), ("1.5", "{id}"), ("10:30", "{id}"), ("555-1234", "{id}"), ("0x1f", "{id}"),
        ("usr_12345", "{id}"), ("ORD-2024-0001", "{id}"), ("a1b2c3", "{id}"), ("507f1f77bcf86cd799439011", "{id}"),
        ("dQw4w9WgXcQdQw4w9WgXcQ", "{id}"), ("app.3f2a1b4c.js", "{id}"),
        ("123e4567-e89b-12d3-a456-426614174000", "{uuid}"), ("ffffffff-ffff-ffff-ffff-ffffffffffff", "{uuid}"),
        ("urn:uuid:123E4567-e89b-12d3-a456-426614174000", "{uuid}"), ("2024-01-31", "{date}"),
        ("2024-01-31T10:30:00Z", "{date}"), ("ann@example.com", "{email}"), ("ann%40example.com", "{email}"),
        ("ann%2540example.com", "{email}"), ("d41d8cd98f00b204e9800998ecf8427e", "{hash}"),
        ("01ARZ3NDEKTSV4RRFFQ69G5FAV", "{ulid}"), ("caf%C3%A9", "{value}"), ("%zz", "{value}"), ("..", "{value}"),
        ("a\x00b", "{value}"), ("a\nb", "{value}"), ("word\n", "{value}"), ("żółw", "{value}"), ("{id}", "{value}"),
        ("x" * 65, "{value}"), ("[redacted]", "{value}"), ("٣٤", "{value}"),
    ],
)  # fmt: skip
def test_values_are_shown_as_what_they_are(value: str, placeholder: str) -> None:
    assert shown(value) == [placeholder]


@given(st.lists(st.one_of(st.uuids().map(str), st.integers().map(str), st.emails(), st.dates().map(str)), min_size=1))
def test_no_identifier_passes_for_a_word(values: list[str]) -> None:
    assert all(text.startswith("{") for text in shown(*values))


@given(st.lists(st.text(min_size=1), min_size=1, max_size=20))
def test_a_kind_depends_on_its_segment_alone(segments: list[str]) -> None:
    assert shown(*segments) == [shown(one)[0] for one in segments]


@given(st.uuids(), st.text("abcdef-_.", max_size=12), st.text("abcdef-_.", max_size=12))
def test_a_uuid_is_found_within_other_text(value: uuid.UUID, before: str, after: str) -> None:
    assert shown(f"{before}{value}{after}")[0].startswith("{")
