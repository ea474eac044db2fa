"""LOGENTRY and METRIC batches for tests: say what matters, the rest is null."""

from typing import Any

import polars as pl

from telemetry.batch import SCHEMAS, Batch, Template

SECOND_NS = 1_000_000_000
NOW_NS = 1_700_000_000 * SECOND_NS


def logentries(*rows: dict[str, Any], sequence: int = 1) -> Batch:
    """A LOGENTRY batch; every row counts and is HTTP from one context unless it says otherwise."""
    defaults = {
        "context.key": 0,
        "context.time": NOW_NS,
        "context.protocol": "http",
        "context.reporter.kind": "inbound",
        "context.proxy_error_code": "-",
        "connection.security_policy": "none",
        "request.counts": True,
        "response.flags": 0,
    }
    schema = SCHEMAS[Template.LOGENTRY]
    full = [{**dict.fromkeys(schema), **defaults, **row} for row in rows]
    frame = pl.DataFrame(full, schema=dict(schema))
    return Batch(Template.LOGENTRY, frame, "test", 1, sequence)


def metrics(*values: float, sequence: int = 1) -> Batch:
    """A METRIC batch: one counter, a row for each value."""
    rows = [
        {"metric": "m_total", "kind": "counter", "unit": "1", "labels": {"at": str(at)}, "series": at, "value": value}
        for at, value in enumerate(values)
    ]
    schema = {**SCHEMAS[Template.METRIC], "labels": pl.Struct({"at": pl.String})}
    frame = pl.DataFrame([{**dict.fromkeys(schema), **row} for row in rows], schema=schema)
    return Batch(Template.METRIC, frame, "test", 1, sequence)
