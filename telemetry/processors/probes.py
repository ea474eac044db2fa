"""Tell probes and scrapes, which are the platform's own, from the mesh's requests."""

import re
from collections.abc import Collection

import polars as pl

__all__ = ["USER_AGENTS", "is_probe"]

USER_AGENTS = (
    # Mixer's default rules left out these two.
    "kube-probe/",
    "Prometheus/",
    "GoogleHC/",
    "ELB-HealthChecker/",
    "Envoy/HC",
    "Consul Health Check",
    "Blackbox Exporter/",
)
"""How the user agents of those begin that ask whether we live, or how we are."""


def is_probe(user_agents: Collection[str]) -> pl.Expr:
    """Whether a request's user agent begins with any of these; never null. Reads request.useragent."""
    beginning = "|".join(re.escape(text) for text in user_agents)
    return pl.col("request.useragent").str.contains(f"^(?:{beginning})").fill_null(value=False)
