"""Metrics messages for tests: the wire's classes, which no installed package has, and what to fill them with."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_NUMBERS = {"double": 1, "int64": 3, "uint64": 4, "string": 9, "message": 11, "uint32": 13, "sint32": 17, "sint64": 18}
_PACKAGE = "io.prometheus.client"

# Name, number, type (a scalar or a message of the package); a star for repeated fields.
_MESSAGES: Mapping[str, Sequence[tuple[str, int, str]]] = {
    "LabelPair": [("name", 1, "string"), ("value", 2, "string")],
    "Gauge": [("value", 1, "double")],
    "Counter": [("value", 1, "double")],
    "Untyped": [("value", 1, "double")],
    "Quantile": [("quantile", 1, "double"), ("value", 2, "double")],
    "Summary": [("sample_count", 1, "uint64"), ("sample_sum", 2, "double"), ("*quantile", 3, "Quantile")],
    "Bucket": [
        ("cumulative_count", 1, "uint64"), ("upper_bound", 2, "double"), ("cumulative_count_float", 4, "double"),
    ],
    "BucketSpan": [("offset", 1, "sint32"), ("length", 2, "uint32")],
    "Histogram": [
        ("sample_count", 1, "uint64"), ("sample_sum", 2, "double"), ("*bucket", 3, "Bucket"),
        ("sample_count_float", 4, "double"), ("schema", 5, "sint32"), ("zero_threshold", 6, "double"),
        ("zero_count", 7, "uint64"), ("zero_count_float", 8, "double"), ("*negative_span", 9, "BucketSpan"),
        ("*negative_delta", 10, "sint64"), ("*negative_count", 11, "double"), ("*positive_span", 12, "BucketSpan"),
        ("*positive_delta", 13, "sint64"), ("*positive_count", 14, "double"),
    ],
    "Metric": [
        ("*label", 1, "LabelPair"), ("gauge", 2, "Gauge"), ("counter", 3, "Counter"), ("summary", 4, "Summary"),
        ("untyped", 5, "Untyped"), ("timestamp_ms", 6, "int64"), ("histogram", 7, "Histogram"),
    ],
    "MetricFamily": [
        ("name", 1, "string"), ("help", 2, "string"), ("type", 3, "uint32"), ("*metric", 4, "Metric"),
        ("unit", 5, "string"),
    ],
    # Of another package on the wire, where names of packages do not show.
    "Locality": [("region", 1, "string"), ("zone", 2, "string")],
    "Node": [("id", 1, "string"), ("cluster", 2, "string"), ("locality", 4, "Locality")],
    "Identifier": [("node", 1, "Node")],
    "StreamMetricsMessage": [("identifier", 1, "Identifier"), ("*envoy_metrics", 2, "MetricFamily")],
}  # fmt: skip
COUNTER, GAUGE, SUMMARY, UNTYPED, HISTOGRAM, GAUGE_HISTOGRAM = range(6)


def _classes() -> Mapping[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="metrics.proto", package=_PACKAGE, syntax="proto2")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, number, kind in fields:
            made = message.field.add(name=field.lstrip("*"), number=number, label=3 if field[0] == "*" else 1)
            made.type = _NUMBERS.get(kind, _NUMBERS["message"])
            if kind not in _NUMBERS:
                made.type_name = f".{_PACKAGE}.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    found = (pool.FindMessageTypeByName(f"{_PACKAGE}.{name}") for name in _MESSAGES)
    return {descriptor.name: message_factory.GetMessageClass(descriptor) for descriptor in found}


CLASSES = _classes()
BOUNDS = (0.5, 1.0, 5.0)


def family(
    name: str, kind: int | None, labels: Mapping[str, str] | None = None, at_ms: int = 1000, **value: Any
) -> Any:
    """One stat as Envoy sends it: a family of one metric. `value`: counter=…, gauge=…, histogram={…}."""
    made = CLASSES["MetricFamily"](name=name)
    if kind is not None:
        made.type = kind
    pairs = [{"name": label, "value": text} for label, text in (labels or {}).items()]
    of_kind = {key: one if isinstance(one, dict) else {"value": one} for key, one in value.items()}
    made.metric.add(label=pairs, timestamp_ms=at_ms, **of_kind)
    return made


def counter(name: str, value: float, labels: Mapping[str, str] | None = None, at_ms: int = 1000) -> Any:
    return family(name, COUNTER, labels, at_ms, counter=value)


def gauge(name: str, value: float, labels: Mapping[str, str] | None = None, at_ms: int = 1000) -> Any:
    return family(name, GAUGE, labels, at_ms, gauge=value)


def histogram(name: str, *counts: int, total: float = 0.0, bounds: Sequence[float] = BOUNDS, at_ms: int = 1000) -> Any:
    """`counts`: of each bucket, the last is +Inf's, which Envoy does not write."""
    summed = [sum(counts[: at + 1]) for at in range(len(bounds))]
    buckets = [{"cumulative_count": n, "upper_bound": b} for n, b in zip(summed, bounds, strict=True)]
    value = {"sample_count": sum(counts), "sample_sum": total, "bucket": buckets}
    return family(name, HISTOGRAM, None, at_ms, histogram=value)


def summary(name: str, count: int, total: float, quantiles: Mapping[float, float], at_ms: int = 1000) -> Any:
    pairs = [{"quantile": quantile, "value": value} for quantile, value in quantiles.items()]
    return family(name, SUMMARY, None, at_ms, summary={"sample_count": count, "sample_sum": total, "quantile": pairs})


def message(*families: Any, node: str | None = None, cluster: str = "c") -> bytes:
    """A message of a stream, its first if it names its node."""
    made = CLASSES["StreamMetricsMessage"]()
    if node is not None:
        made.identifier.node.id = node
        made.identifier.node.cluster = cluster
    made.envoy_metrics.extend(families)
    return bytes(made.SerializeToString())


def families_of(raw: bytes) -> Iterable[Any]:
    found: Iterable[Any] = CLASSES["StreamMetricsMessage"].FromString(raw).envoy_metrics
    return found
