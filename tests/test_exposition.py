import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from telemetry.exposition import (
    accepts_gzip,
    bound_text,
    escape,
    exemplar_text,
    family_head,
    number_texts,
    prefers_openmetrics,
    scalar_lines,
)

PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;"
    "q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "openmetrics"),
    [
        (PROMETHEUS_2, True),
        (PROMETHEUS_3, True),
        ("application/openmetrics-text", True),
        (BROWSER, False),
        ("", False),
        ("*/*", False),
        ("text/plain;version=0.0.4", False),
        ("application/openmetrics-text;version=0.0.1", False),
        ("application/openmetrics-text;q=0", False),
        ("application/openmetrics-text;q=0.3,text/plain;q=0.9", False),
        ('Application/OpenMetrics-Text; version="1.0.0"', True),
        ("application/openmetrics-text;q=high", False),
        (";;=,,q=", False),
    ],
)
def test_openmetrics_is_chosen_when_it_is_named_and_wanted_most(accept: str, openmetrics: bool) -> None:
    assert prefers_openmetrics(accept) is openmetrics


@pytest.mark.parametrize(
    ("header", "gzip"),
    [
        ("gzip", True),
        ("deflate, GZIP;q=0.5", True),
        ("*", True),
        ("", False),
        ("identity", False),
        ("gzip;q=0, *", False),
        ("gzip;q=0", False),
        ("*;q=0", False),
    ],
)
def test_gzip_is_used_when_the_client_takes_it(header: str, gzip: bool) -> None:
    assert accepts_gzip(header) is gzip


@given(st.lists(st.one_of(st.floats(), st.integers(-(2**53), 2**53).map(float)), max_size=30))
def test_numbers_read_back_the_same_and_whole_ones_have_no_exponent(values: list[float]) -> None:
    texts = number_texts(np.array(values, np.float64))
    assert len(texts) == len(values)
    for text, value in zip(texts, values, strict=True):
        assert float(text) == value or (math.isnan(value) and text == b"NaN")
        if value.is_integer() and abs(value) < 2**63:
            assert text == str(int(value)).encode()


def test_numbers_that_are_not_finite_are_written_as_go_does() -> None:
    assert number_texts(np.array([math.nan, math.inf, -math.inf, 0.5])) == [b"NaN", b"+Inf", b"-Inf", b"0.5"]


@pytest.mark.parametrize(
    ("bound", "text", "openmetrics"),
    [
        (0.5, "0.5", "0.5"),
        (1.0, "1", "1.0"),
        (600000.0, "600000", "600000.0"),
        (3600000.0, "3600000", "3.6e+06"),
        (math.inf, "+Inf", "+Inf"),
        (1e-7, "1e-7", "1e-07"),
    ],
)
def test_bounds_are_as_envoy_writes_and_canonical_in_openmetrics(bound: float, text: str, openmetrics: str) -> None:
    assert bound_text(bound, openmetrics=False) == text
    assert bound_text(bound, openmetrics=True) == openmetrics


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_help_texts_and_label_values_come_back_whatever_is_in_them(text: str) -> None:
    for openmetrics, parse in ((False, parse_text), (True, parse_openmetrics)):
        page = family_head("a_total", "counter", text="x" + text + "x", openmetrics=openmetrics)
        page += scalar_lines("a_total", [f'a="{escape(text)}"'.encode()], [b"1"])
        page += b"# EOF\n" if openmetrics else b""
        (family,) = parse(page.decode())
        assert family.documentation == "x" + text + "x"
        assert family.samples[0].labels == {"a": text}


def test_an_exemplar_of_more_than_128_characters_is_left_out() -> None:
    assert exemplar_text("t" * (128 - len("trace_id")), "", 1.0, 0) == b' # {trace_id="%b"} 1' % (b"t" * 120)
    assert exemplar_text("t" * 121, "", 1.0, 0) == b""
    assert exemplar_text("é" * 120, "", 1.0, 0) != b""  # characters, not bytes


def test_an_exemplar_needs_an_id_and_a_finite_value_and_escapes_what_is_hostile() -> None:
    assert exemplar_text("", "", 1.0, 5) == b""
    assert exemplar_text("a", "", math.inf, 5) == b""
    assert exemplar_text('"\n\\', "s", 0.25, 1_700_000_000_123_456_789) == (
        b' # {trace_id="\\"\\n\\\\",span_id="s"} 0.25 1700000000.123'
    )
