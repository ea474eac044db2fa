"""The reference pages in docs/, generated from the code: `python -m telemetry.reference` writes them anew."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from telemetry.attributes import ATTRIBUTES, NOT_CARRIED, Attribute
from telemetry.processors.istio_labels import HTTP_LABELS, TCP_LABELS
from telemetry.selfmetrics import SelfMetrics

__all__ = ["PAGES", "attributes_page", "metrics_page"]

_ISTIO = (
    ("istio_requests_total", "counter", "requests and gRPC calls that ended", "http"),
    (
        "istio_request_duration_milliseconds",
        "histogram",
        "whole milliseconds of the whole request",
        "http",
    ),
    ("istio_request_bytes", "histogram", "bytes from downstream, headers and framing included", "http"),
    ("istio_response_bytes", "histogram", "bytes to downstream, headers and framing included", "http"),
    ("istio_tcp_connections_opened_total", "counter", "connections first heard of", "tcp"),
    ("istio_tcp_connections_closed_total", "counter", "connections that ended", "tcp"),
    ("istio_tcp_sent_bytes_total", "counter", "bytes to downstream", "tcp"),
    ("istio_tcp_received_bytes_total", "counter", "bytes from downstream", "tcp"),
)


def _table(*rows: tuple[str, ...]) -> str:
    head, *body = rows
    lines = [head, tuple("---" for _ in head), *body]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in lines)


def attributes_page() -> str:
    """Give docs/attributes.md."""

    def row(one: Attribute) -> tuple[str, ...]:
        return f"`{one.name}`", f"{one.dtype}".replace("time_unit=", ""), one.unit, one.meaning, one.origin

    return (
        "# Attributes\n\n"
        "The columns of a LOGENTRY batch, in their order. What isn't known is null. Generated from\n"
        "`telemetry/attributes.py` by `python -m telemetry.reference`.\n\n"
        "*Istio's label order:* the canonical service is the first set of the labels\n"
        "`service.istio.io/canonical-name`, `app.kubernetes.io/name`, `app`, else the workload's name; the canonical\n"
        "revision that of `service.istio.io/canonical-revision`, `app.kubernetes.io/version`, `version`, else\n"
        "`latest`.\n\n"
        + _table(("attribute", "type", "unit", "meaning", "from"), *map(row, ATTRIBUTES))
        + "\n\n## Mixer's attributes that an access log can't carry\n\n"
        + _table(("attribute", "why, or where to look"), *((f"`{name}`", why) for name, why in NOT_CARRIED.items()))
        + "\n"
    )


def metrics_page() -> str:
    """Give docs/metrics.md."""
    istio = [(f"`{name}`", kind, meaning, labels) for name, kind, meaning, labels in _ISTIO]
    return (
        "# Metrics\n\n"
        "Generated from the code by `python -m telemetry.reference`.\n\n"
        "## The mesh's\n\n"
        "Istio's standard metrics, with its names, labels and conventions; what counts when is in\n"
        "[counting](counting.md). Not here: `istio_request_messages_total`, `istio_response_messages_total` (gRPC\n"
        "messages aren't in access logs) and `istio_build`.\n\n"
        + _table(("metric", "type", "meaning", "labels"), *istio)
        + f"\n\nLabels *http* ({len(HTTP_LABELS)}): {_names(HTTP_LABELS)}.\n\n"
        + f"Labels *tcp* ({len(TCP_LABELS)}): the same without `response_code` and `grpc_response_status`.\n\n"
        "## Our own\n\n" + _table(("metric", "type", "labels", "meaning"), *_own()) + "\n"
    )


def _names(labels: Mapping[str, object]) -> str:
    return ", ".join(f"`{name}`" for name in labels)


def _own() -> Iterator[tuple[str, ...]]:
    metrics = SelfMetrics()
    for one in sorted(metrics.described, key=lambda metric: metric.name):
        yield f"`{one.name}`", one.kind, ", ".join(f"`{label}`" for label in one.labels), one.meaning


PAGES: Mapping[str, Callable[[], str]] = {"attributes.md": attributes_page, "metrics.md": metrics_page}

if __name__ == "__main__":
    for file_name, page in PAGES.items():
        Path("docs", file_name).write_text(page(), encoding="utf-8")
