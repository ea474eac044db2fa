"""Response flags print as Envoy prints them."""

import polars as pl
import pytest

from telemetry.processors.flags import SHORT_NAMES, flags_text, text_of, with_inferred


def bits(*numbers: int) -> int:
    return sum(1 << (number - 1) for number in numbers)


@pytest.mark.parametrize(
    ("flags", "text"),
    [(0, "-"), (bits(2), "UH"), (bits(6, 16), "UF,URX"), (bits(13), "UAEX"), (bits(28), "DR"), (bits(31), "field_31")],
)
def test_flags_print_in_proto_order(flags, text):
    assert text_of(flags) == text


def test_the_list_is_complete_to_the_newest_field():
    assert len(SHORT_NAMES) == 28
    assert len(set(SHORT_NAMES)) == 28


def test_a_column_prints_row_by_row():
    flags = pl.Series([0, bits(2), 0, bits(6, 16)], dtype=pl.UInt64)
    assert flags_text(flags).to_list() == ["-", "UH", "-", "UF,URX"]


def test_flags_without_a_field_are_told_by_the_details():
    flags = pl.Series("f", [0, bits(6), 0, bits(6)], dtype=pl.UInt64)
    details = pl.Series(["drop_overload", "unconditional_drop_overload", "via_upstream", None])
    assert flags_text(with_inferred(flags, details)).to_list() == ["DO", "UF,UDO", "-", "UF"]


def test_flags_stay_as_they_are_where_no_detail_tells_more():
    flags = pl.Series([0, bits(2)], dtype=pl.UInt64)
    assert with_inferred(flags, pl.Series(["via_upstream", None])).to_list() == [0, bits(2)]
