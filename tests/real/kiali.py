"""The questions that Kiali's graph asks Prometheus, and the labels without which it skips an answer.

They are PromQL as Kiali's graph/telemetry/istio has it; where Kiali leaves labels out of a grouping, all are asked for
here. `NS` stands for the namespace, which `ask` fills in.
"""

from collections.abc import Mapping

__all__ = ["RATES", "REQUESTS", "REQUIRED", "REQUIRED_OF_REQUESTS", "REQUIRED_OF_SECURITY", "SECURITY", "TCP", "ask"]

_RANGE = "120s"

REQUIRED = (
    "source_workload_namespace",
    "source_workload",
    "source_canonical_service",
    "source_canonical_revision",
    "destination_service_namespace",
    "destination_service",
    "destination_service_name",
    "destination_workload_namespace",
    "destination_workload",
    "destination_canonical_service",
    "destination_canonical_revision",
)
REQUIRED_OF_REQUESTS = (*REQUIRED, "request_protocol", "response_code", "response_flags")
REQUIRED_OF_SECURITY = (*REQUIRED, "source_principal", "destination_principal", "connection_security_policy")

_PEERS = ", ".join(("source_cluster", "destination_cluster", *REQUIRED))
_REQ = f"{_PEERS}, request_protocol, response_code, grpc_response_status, response_flags"
_TCP = f"app, {_PEERS}, response_flags"
_SECURITY = f"{_PEERS}, source_principal, destination_principal, connection_security_policy"
_PROTOCOL = f"{_PEERS}, request_protocol"

# From whom the graph of a namespace is drawn: calls from elsewhere that reached nobody; what its workloads received;
# what they sent.
_CHOICES = {
    "Q0": 'reporter="source", source_workload_namespace!="NS", destination_workload_namespace="unknown", '
    'destination_workload="unknown", destination_service=~"^.+\\\\.NS\\\\..+$"',
    "Q1": 'reporter="source", source_workload_namespace!="NS", destination_workload_namespace="NS"',
    "Q2": 'reporter="destination", destination_workload_namespace="NS"',
    "Q3": 'reporter="source", source_workload_namespace="NS"',
}


def _rate(metric: str, choice: str, by: str) -> str:
    return f"sum(rate({metric}{{{choice}}}[{_RANGE}])) by ({by})"


def _each(metric: str, by: str, also: str = "") -> dict[str, str]:
    return {name: _rate(metric, f"{also}{choice}", by) + " > 0" for name, choice in _CHOICES.items()}


REQUESTS: Mapping[str, str] = _each("istio_requests_total", _REQ)
# Kiali reads what was sent from …received…, as Istio swaps them (istio#32399).
TCP: Mapping[str, Mapping[str, str]] = {
    "sent": _each("istio_tcp_received_bytes_total", _TCP, 'app!="ztunnel", '),
    "received": _each("istio_tcp_sent_bytes_total", _TCP, 'app!="ztunnel", '),
}
SECURITY: Mapping[str, str] = {
    "requests": _rate("istio_requests_total", _CHOICES["Q2"], _SECURITY) + " > 0",
    "tcp": _rate("istio_tcp_sent_bytes_total", _CHOICES["Q2"], _SECURITY) + " > 0",
}

_SERVED = 'reporter="destination", destination_service_namespace="NS"'
_CALLED = 'reporter="source", source_workload_namespace="NS"'


def _average(choice: str) -> str:
    metric = "istio_request_duration_milliseconds"
    return f"{_rate(f'{metric}_sum', choice, _PROTOCOL)} / {_rate(f'{metric}_count', choice, _PROTOCOL)} > 0"


def _quantile(quantile: float, choice: str) -> str:
    buckets = _rate("istio_request_duration_milliseconds_bucket", choice, f"le, {_PROTOCOL}")
    return f"histogram_quantile({quantile}, {buckets}) > 0"


# What an edge is labelled with, besides the rate of requests.
RATES: Mapping[str, str] = {
    "average response time, as served": _average(_SERVED),
    "average response time, as called": _average(_CALLED),
    "95th percentile, as served": _quantile(0.95, _SERVED),
    "95th percentile, as called": _quantile(0.95, _CALLED),
    "request throughput": _rate("istio_request_bytes_sum", _CALLED, _PROTOCOL) + " > 0",
    "response throughput": _rate("istio_response_bytes_sum", _SERVED, _PROTOCOL) + " > 0",
}


def ask(question: str, namespace: str) -> str:
    """Give the PromQL for a namespace."""
    return question.replace("NS", namespace)
