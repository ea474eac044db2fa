"""Which rows belong together: the key of each row, and the partition that it leads to."""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import polars as pl
from numpy.typing import NDArray

from telemetry.batch import Batch, Template
from telemetry.expressions import VOCABULARIES, ExpressionError, compile  # noqa: A004 - the verb of that room

__all__ = ["KEYWORDS", "keys_of", "murmur2", "partitions_of", "usable"]

KEYWORDS = ("none", "trace", "workload", "edge")

_Key = Callable[[str], pl.Expr | None]


def usable(key: str) -> None:
    """Raise ExpressionError when the key is no keyword and no expression that gives a text for any template."""
    faults = []
    for template in Template:
        try:
            compile(key, VOCABULARIES[template], want=pl.String)
        except ExpressionError as fault:
            faults.append(fault)
    if key not in KEYWORDS and len(faults) == len(Template):
        raise faults[0]


def keys_of(batch: Batch, key: str) -> list[bytes | None]:
    """Give each row's key, None for a row that has none.

    What has no trace is keyed by its series (METRIC) or its two workloads (EDGE); likewise where the expression is
    about another template.
    """
    labels = batch.rows.schema["labels"] if batch.template is Template.METRIC else None
    names = tuple(field.name for field in labels.fields) if isinstance(labels, pl.Struct) else ()
    expression = _expression(batch.template, key, names)
    if expression is None:
        return [None] * len(batch.rows)
    keys: list[bytes | None] = batch.rows.select(expression.cast(pl.Binary).alias("key"))["key"].to_list()
    return keys


@lru_cache(maxsize=64)
def _expression(template: Template, key: str, labels: tuple[str, ...]) -> pl.Expr | None:
    if key == "none":
        return None
    if key in KEYWORDS:
        return _workload_of_labels(key, labels) if template is Template.METRIC else _keyword(template, key)
    types = {"labels": pl.Struct(dict.fromkeys(labels, pl.String))} if template is Template.METRIC else {}
    try:
        compiled = compile(key, {**VOCABULARIES[template], **types}, want=pl.String)
    except ExpressionError:
        return _expression(template, "trace", labels)  # it is about another template
    # An expression that reads nothing has one row.
    return pl.when(pl.repeat(value=True, n=pl.len())).then(compiled.expression)


def _keyword(template: Template, key: str) -> pl.Expr:
    if key == "trace" and template is not Template.EDGE:
        return pl.col("span.trace_id" if template is Template.TRACESPAN else "trace.id")
    source, destination = (
        _named(pl.col(f"{side}.workload.namespace"), pl.col(f"{side}.workload.name"))
        for side in ("source", "destination")
    )
    return destination if key == "workload" else _between(source, destination)


def _workload_of_labels(key: str, labels: tuple[str, ...]) -> pl.Expr:
    if key == "trace":
        return pl.col("series").cast(pl.String)

    def end(side: str) -> pl.Expr:
        names = (f"{side}_workload_namespace", f"{side}_workload")
        fields = [pl.col("labels").struct.field(name) if name in labels else pl.lit(None, pl.String) for name in names]
        return _named(*fields)

    return end("destination") if key == "workload" else _between(end("source"), end("destination"))


def _named(namespace: pl.Expr, name: pl.Expr) -> pl.Expr:
    return pl.when(name.is_not_null()).then(pl.concat_str(namespace.fill_null(""), pl.lit("/"), name))


def _between(source: pl.Expr, destination: pl.Expr) -> pl.Expr:
    known = source.is_not_null() | destination.is_not_null()
    return pl.when(known).then(pl.concat_str(source.fill_null(""), pl.lit(">"), destination.fill_null("")))


def partitions_of(keys: list[bytes | None], count: int, sequence: int) -> NDArray[np.int64]:
    """Give each row's partition as Kafka's own clients choose it; rows without key go to one of the batch's.

    `count`: of the topic's partitions; `sequence`: the batch's, which spreads batches over them.
    """
    partitions = np.full(len(keys), sequence % count, dtype=np.int64)
    keyed = np.array([at for at, key in enumerate(keys) if key is not None], dtype=np.int64)
    if count > 1 and len(keyed):
        hashes = murmur2([key for key in keys if key is not None])
        partitions[keyed] = (hashes & 0x7FFFFFFF).astype(np.int64) % count
    return partitions


_SEED, _M = np.uint32(0x9747B28C), np.uint32(0x5BD1E995)


def murmur2(keys: list[bytes]) -> NDArray[np.uint32]:
    """Give each key's hash as `org.apache.kafka.common.utils.Utils.murmur2` does; those of one length at once."""
    hashes = np.empty(len(keys), dtype=np.uint32)
    lengths = np.fromiter(map(len, keys), dtype=np.int64, count=len(keys))
    for length in np.unique(lengths).tolist():
        at = np.flatnonzero(lengths == length)
        data = np.frombuffer(b"".join(keys[one] for one in at.tolist()), dtype=np.uint8).reshape(len(at), length)
        hashes[at] = _murmur2(data)
    return hashes


def _murmur2(data: NDArray[np.uint8]) -> NDArray[np.uint32]:
    length = data.shape[1]
    whole = length // 4 * 4
    h: NDArray[np.uint32] = np.full(len(data), _SEED ^ np.uint32(length), dtype=np.uint32)
    for word in np.ascontiguousarray(data[:, :whole]).view("<u4").T:
        k = word * _M
        k ^= k >> np.uint32(24)
        h = (h * _M) ^ (k * _M)
    rest = data[:, whole:].astype(np.uint32)
    if rest.shape[1]:
        for at in range(rest.shape[1]):
            h = h ^ (rest[:, at] << np.uint32(8 * at))
        h = h * _M
    h = (h ^ (h >> np.uint32(13))) * _M
    return h ^ (h >> np.uint32(15))
