"""Trace and span ids, hex digits in our columns, as OTLP's bytes."""

import polars as pl

__all__ = ["ids", "valid_id"]


def valid_id(column: str, digits: int) -> pl.Expr:
    """Say whether an id is so many hex digits, and not all zero, which W3C and OTLP take for none."""
    return pl.col(column).str.contains(f"^[0-9a-fA-F]{{{digits}}}$") & (pl.col(column) != "0" * digits)


def ids(*fields: tuple[int, str, int]) -> pl.Expr:
    """Write id columns as fields, given as field number, column and number of digits; nothing for an invalid one."""
    # As hex digits first: one decoding for all of them.
    heads = [f"{field << 3 | 2:02x}{digits // 2:02x}" for field, _, digits in fields]
    written = [
        pl.when(valid_id(column, digits)).then(pl.concat_str(pl.lit(head), column))
        for head, (_, column, digits) in zip(heads, fields, strict=True)
    ]
    return pl.concat_str(written, ignore_nulls=True).str.decode("hex")
