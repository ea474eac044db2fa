"""Whose fault it was: response.blame, from flags, details, codes and side (docs/blame.md)."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from telemetry.processors.endings import Ending, Outcome

__all__ = ["CAUSES", "INFORMATIONAL", "Blame", "Cause", "blame_of", "cause_of"]


class Blame(StrEnum):
    """Who must act (`response.blame`)."""

    CLIENT = "client"
    APPLICATION = "application"
    NETWORK = "network"
    PROXY = "proxy"
    POLICY = "policy"
    CONFIGURATION = "configuration"
    TEST = "test"


# Flags that stand beside a success as well as a failure. A failing rate limit service is in the details if it mattered.
INFORMATIONAL = ("RLSE", "RFCF")

Rule = Blame | Callable[[Ending], Blame]


@dataclass(frozen=True, slots=True)
class Cause:
    """A cause of failure: recognised by any of its flags, or by how the details begin."""

    name: str
    blame: Rule
    flags: tuple[str, ...] = ()
    details: tuple[str, ...] = ()

    def blamed(self, ending: Ending) -> Blame:
        """Say whose fault this cause is at such an ending."""
        return self.blame if isinstance(self.blame, Blame) else self.blame(ending)

    def applies(self, ending: Ending) -> bool:
        """Tell whether the ending shows this cause."""
        return ending.has_any(self.flags) or ending.details.startswith(self.details)


def _no_connection(ending: Ending) -> Blame:
    """TLS that fails is a matter of certificates and modes; a refusal, or loopback, means that nobody listens."""
    reason = f"{ending.failure} {ending.details}".lower()
    if "tls" in reason or "ssl" in reason or "certificate" in reason:
        return Blame.CONFIGURATION
    return Blame.APPLICATION if ending.side == "inbound" or "refused" in reason else Blame.NETWORK


def _lost_connection(ending: Ending) -> Blame:
    """Between a sidecar and its own application there is no network."""
    return Blame.APPLICATION if ending.side == "inbound" else Blame.NETWORK


def _no_route(ending: Ending) -> Blame:
    """Blame the client for asking what there isn't; but what no filter chain takes at all is misconfigured."""
    return Blame.CONFIGURATION if ending.protocol == "tcp" else Blame.CLIENT


def _idle(ending: Ending) -> Blame:
    """Envoy answers 408 while it waits for the client, 504 while it waits for the upstream."""
    return Blame.APPLICATION if ending.code == 504 else Blame.CLIENT


_C = Blame.CLIENT
# In the order of a request's life, since what stopped it earlier is why the later never happened; the client's leaving
# comes last, as it often follows from another cause. Details: envoy/stream_info/stream_info.h and the filters' own.
CAUSES: tuple[Cause, ...] = (
    Cause("fault injected", Blame.TEST, ("FI",), ("fault_filter_abort",)),
    Cause("overload of the proxy", Blame.PROXY, ("OM",), ("overload",)),
    Cause("invalid request", _C, ("DPE", "IH"), (
        "http1.", "http2.", "http3.", "uhv.", "low_version", "missing_host_header", "missing_path", "invalid_path",
        "absolute_path", "path_normalization_failed", "request_headers_failed_strict_check", "request_header_timeout",
        "request_overall_timeout", "downstream_header_timeout", "request_payload_too_large", "early_connect_data",
        "upgrade_failed", "rejecting_because_detection_failed", "csrf_origin_mismatch",
    )),
    Cause("authorization service failed", Blame.PROXY, (), ("ext_authz_error",)),
    Cause("not authenticated", _C, ("UAEX",), ("ext_authz_denied", "jwt_authn_access_denied")),
    Cause("not authorized", Blame.POLICY, (), ("rbac_access_denied",)),
    Cause("rate limit service failed", Blame.PROXY, (), ("rate_limiter_error",)),
    Cause("rate limited", Blame.POLICY, ("RL",), ("request_rate_limited", "local_rate_limited")),
    Cause("filters misconfigured", Blame.CONFIGURATION, ("NFCF",), ("filter_removed_required", "filter_added_invalid")),
    Cause("no cluster", Blame.CONFIGURATION, ("NC",), ("cluster_not_found", "route_configuration_not_found")),
    Cause("no filter chain", Blame.CONFIGURATION, (), ("filter_chain_not_found",)),
    Cause("no route", _no_route, ("NR",), ("route_not_found",)),
    Cause("local health check", Blame.APPLICATION, ("LH",)),
    Cause("load shed", Blame.POLICY, ("UO",), (
        "drop_overload", "unconditional_drop_overload", "maintenance_mode", "reached_concurrency_limit",
        "denied_by_admission_control", "upstream_reset_before_response_started{overflow",
    )),
    Cause("name not resolved", Blame.NETWORK, ("DF",), ("dns_resolution_failure",)),
    Cause("no healthy host", Blame.APPLICATION, ("UH",), ("no_healthy_upstream",)),
    Cause("no connection", _no_connection, ("UF",), (
        "upstream_reset_before_response_started{remote_connection_failure",
        "upstream_reset_before_response_started{local_connection_failure",
        "upstream_reset_before_response_started{connection_timeout",
    )),
    Cause("protocol error upstream", Blame.APPLICATION, ("UPE",), ("websocket_handshake_unsuccessful",)),
    Cause("timeout", Blame.APPLICATION, ("UT",), ("response_timeout", "upstream_per_try")),
    Cause("reset by upstream", Blame.APPLICATION, ("UR",)),
    Cause("connection lost", _lost_connection, ("UC",), (
        "upstream_reset_before_response_started{connection_termination",
        "upstream_reset_after_response_started{connection_termination",
    )),
    Cause("duration limited", Blame.POLICY, ("UMSDR", "DT"), (
        "upstream_max_stream_duration_reached", "max_duration_timeout", "duration_timeout", "max_connection_duration",
    )),
    Cause("response too large", Blame.APPLICATION, (), ("response_payload_too_large",)),
    # Only what an injected delay can bring about: that somebody downstream of it loses patience.
    Cause("delay injected", Blame.TEST, ("DI",)),
    Cause("idle", _idle, ("SI",), ("stream_idle_timeout",)),
    Cause("reset by proxy", Blame.PROXY, ("LR",), ("downstream_local_disconnect",)),
    Cause("client left", _C, ("DC", "DR"), ("downstream_remote_disconnect", "downstream_remote_reset")),
    Cause("retries exhausted", _lost_connection, ("URX",)),
)  # fmt: skip
_BY_ANSWER = {Outcome.CLIENT_ERROR: Blame.CLIENT, Outcome.SERVER_ERROR: Blame.APPLICATION, Outcome.NONE: Blame.CLIENT}


def cause_of(ending: Ending) -> Cause | None:
    """Give the first cause, in the order of CAUSES; None where no flag and no detail tells one.

    An answer of the upstream's own (`via_upstream`) has no cause but itself, whatever flags stand beside it.
    """
    if ending.details == "via_upstream" and ((ending.code or 0) >= 400 or ending.grpc_status):
        return None
    return next((cause for cause in CAUSES if cause.applies(ending)), None)


def blame_of(ending: Ending, outcome: Outcome) -> Blame | None:
    """Say whose fault it was; None for success. Flags and details that nobody knows never raise."""
    if outcome is Outcome.SUCCESS:
        return None
    cause = cause_of(ending)
    return _of_answer(ending, outcome) if cause is None else cause.blamed(ending)


def _of_answer(ending: Ending, outcome: Outcome) -> Blame:
    """Let the answer itself tell: 4xx the client's, 5xx the application's, unless Envoy was told to give it.

    Envoy answers whenever there is somebody to answer: no response at all means that the client had left.
    """
    configured = ending.details == "direct_response" and outcome is Outcome.SERVER_ERROR
    return Blame.CONFIGURATION if configured else _BY_ANSWER[outcome]
