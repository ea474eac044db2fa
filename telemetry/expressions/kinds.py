"""CEL's types, and the columns they stand for."""

from dataclasses import dataclass

import polars as pl

from telemetry.attributes import DURATION, STRING_MAP, TIMESTAMP

__all__ = [
    "BOOL",
    "CIDR",
    "DOUBLE",
    "DURATION_KIND",
    "INT",
    "IP",
    "MAP",
    "NULL",
    "STRING",
    "TIMESTAMP_KIND",
    "UINT",
    "Kind",
    "kind_of",
    "labels_of",
    "list_of",
]


@dataclass(frozen=True, slots=True)
class Kind:
    """A type by CEL's name; `element` only for lists, `fields` only for labels: the names there are."""

    name: str
    dtype: pl.DataType
    element: "Kind | None" = None
    fields: frozenset[str] | None = None

    def __str__(self) -> str:
        return self.name


BOOL = Kind("bool", pl.Boolean())
INT = Kind("int", pl.Int64())
UINT = Kind("uint", pl.UInt64())
DOUBLE = Kind("double", pl.Float64())
STRING = Kind("string", pl.String())
DURATION_KIND = Kind("duration", DURATION)
TIMESTAMP_KIND = Kind("timestamp", TIMESTAMP)
MAP = Kind("map(string, string)", STRING_MAP)
NULL = Kind("null", pl.Null())
# An address in its one canonical spelling, so that equal addresses are equal strings.
IP = Kind("ip", pl.String())
# Only ever a literal: its column is never made.
CIDR = Kind("cidr", pl.String())


def list_of(element: Kind) -> Kind:
    """Give the kind of a list of these."""
    return Kind(f"list({element})", pl.List(element.dtype), element)


def labels_of(fields: frozenset[str]) -> Kind:
    """Give the kind of a struct of strings, which to CEL is a map: what has no field is absent."""
    return Kind("labels", pl.Struct({}), fields=fields)


def kind_of(dtype: pl.DataType | type[pl.DataType]) -> Kind | None:
    """Give the kind that a column of this type is read as, None when CEL has none for it.

    Every integer column is an `int`, signed or not, as Envoy and Istio have it: `response.code >= 500`. The class
    `pl.Struct` stands for labels whose names nobody knows yet: any may be asked for, none is there.
    """
    exact = {BOOL.dtype: BOOL, STRING.dtype: STRING, STRING_MAP: MAP, pl.Categorical: STRING}
    if (known := exact.get(dtype)) is not None:
        return known
    if dtype.is_integer():
        return INT
    if dtype.is_float():
        return DOUBLE
    return _by_class(dtype)


def _by_class(dtype: pl.DataType | type[pl.DataType]) -> Kind | None:
    # Equality of Polars' types takes the class for all its instances: any unit, any zone.
    if dtype is pl.Struct:
        return labels_of(frozenset())
    if isinstance(dtype, pl.Struct) and all(field.dtype == pl.String for field in dtype.fields):
        return labels_of(frozenset(field.name for field in dtype.fields))
    for wide, kind in ((pl.Duration, DURATION_KIND), (pl.Datetime, TIMESTAMP_KIND), (pl.Enum, STRING)):
        if dtype == wide:
            return kind
    if isinstance(dtype, pl.List) and (element := kind_of(pl.Series(dtype=dtype.inner).dtype)) is not None:
        return None if element.fields is not None else list_of(element)
    return None
