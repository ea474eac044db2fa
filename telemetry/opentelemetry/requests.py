"""An OTLP request of encoded records: one resource for each workload, not for each row.

The three signals are built alike: ExportXServiceRequest{ResourceX{Resource, ScopeX{InstrumentationScope, X}}}.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import polars as pl

from telemetry.opentelemetry.conventions import RESOURCE, SCHEMA_URL
from telemetry.opentelemetry.keyvalues import KeyValues, key_value
from telemetry.wire import Heads, delimited

__all__ = ["Identity", "Resources", "request"]

_RESOURCE, _RECORDS, _SCHEMA_URL = 1, 2, 3
_NAME, _VERSION, _ATTRIBUTES = 1, 2, 3
_OUTER, _INNER = Heads(1), Heads(_RECORDS)
_OURSELVES = delimited(_NAME, b"mesh-telemetry") + delimited(_VERSION, version("mesh-telemetry").encode())


@dataclass(frozen=True, slots=True)
class Identity:
    """Which batch the records are of: a sink that has seen receiver, epoch, sequence and row before drops the record.

    The first three are attributes of the scope, `telemetry.row` is one of each record.
    """

    receiver: str
    epoch: int
    sequence: int

    def attributes(self) -> dict[str, str | int]:
        """Give the scope's attributes."""
        return {
            "telemetry.receiver": self.receiver,
            "telemetry.epoch": self.epoch,
            "telemetry.sequence": self.sequence,
        }


class Resources:
    """Encodes who speaks: conventions.RESOURCE, before it what the operator says of all (`common`)."""

    def __init__(self, common: Mapping[str, Any]) -> None:
        self._common = dict(common)
        self._keyvalues = KeyValues(1)

    def pieces(self, rows: pl.DataFrame, expressions: Mapping[str, pl.Expr] = RESOURCE) -> list[bytes]:
        """Give each row's Resource, without its head. What a row has itself goes before what is common to all."""
        common = {name: pl.lit(value) for name, value in self._common.items()}
        shared = {name: pl.coalesce(own, common[name]) for name, own in expressions.items() if name in common}
        named = {**common, **expressions, **shared}
        # Not by select: literals alone would give one row.
        frame = rows.with_columns(**named).select(list(named))
        columns = self._keyvalues.columns(frame)
        return list(map(b"".join, zip(*columns, strict=True))) if columns else [b""] * len(rows)


def scope(attributes: Mapping[str, Any]) -> bytes:
    """Write our InstrumentationScope as the field of a ScopeX."""
    body = _OURSELVES + b"".join(delimited(_ATTRIBUTES, key_value(key, value)) for key, value in attributes.items())
    return delimited(1, body)


def request(resources: Iterable[bytes], records: Iterable[bytes], attributes: Mapping[str, Any]) -> bytes:
    """Give the request of these records, which are fields of a ScopeX already; `attributes` are the scope's."""
    groups: defaultdict[bytes, list[bytes]] = defaultdict(list)
    for resource, record in zip(resources, records, strict=True):
        groups[resource].append(record)
    ours, schema = scope(attributes), delimited(_SCHEMA_URL, SCHEMA_URL.encode())
    # Joined once: a request has megabytes.
    pieces: list[bytes] = []
    for resource, group in groups.items():
        who = delimited(_RESOURCE, resource)
        inner = len(ours) + sum(map(len, group)) + len(schema)
        scope_head = _INNER[inner]
        pieces += (
            _OUTER[len(who) + len(scope_head) + inner + len(schema)],
            who,
            scope_head,
            ours,
            *group,
            schema,
            schema,
        )
    return b"".join(pieces)
