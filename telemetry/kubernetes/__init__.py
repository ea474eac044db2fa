"""Kubernetes as a register of addresses: who answers where, kept true by watching."""

from telemetry.kubernetes.cluster import Cluster

__all__ = ["Cluster"]
