"""Look into maps of strings, which are lists of key and value."""

import polars as pl

__all__ = ["get", "has_key"]


def get(column: pl.Expr, key: str) -> pl.Expr:
    """Give the key's value, null where the map lacks it. A map never holds a key twice."""
    hits = _hits(column, key)
    # By its place in the list: filtering the list takes five times as long.
    place = pl.when(hits.list.any()).then(hits.list.arg_max())
    return column.list.get(place, null_on_oob=True).struct.field("value")


def has_key(column: pl.Expr, key: str) -> pl.Expr:
    """Say whether the map holds the key; null where there is no map."""
    return _hits(column, key).list.any()


def _hits(column: pl.Expr, key: str) -> pl.Expr:
    return column.list.eval(pl.element().struct.field("key") == key)
