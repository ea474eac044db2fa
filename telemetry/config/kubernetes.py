"""The settings of watching Kubernetes."""

from typing import Annotated

from pydantic import Field, StringConstraints

from telemetry.config.section import Section
from telemetry.options import ReadableFile, Seconds

__all__ = ["KubernetesSettings"]

Namespace = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]


class KubernetesSettings(Section):
    """Which cluster to ask who answers on which address; null does not ask any. Needs the extra `kubernetes`."""

    kubeconfig: ReadableFile | None = Field(
        None,
        description="How to reach the API server. Default: the pod's service account, else $KUBECONFIG, else "
        "~/.kube/config.",
    )
    context: str | None = Field(
        None, min_length=1, max_length=253, description="The kubeconfig's context. Default: its current one."
    )
    namespaces: tuple[Namespace, ...] = Field(
        (), max_length=100, description="Only these namespaces; none means all. For rights in a few namespaces only."
    )
    cluster: str | None = Field(
        None, min_length=1, max_length=253, description="The cluster's name in attributes. Default: default_cluster."
    )
    domain: str = Field("cluster.local", min_length=1, max_length=253, description="Domain of the services' hosts.")
    page_size: int = Field(500, ge=1, le=10_000, description="Objects listed in one request.")
    max_objects: int = Field(
        200_000, ge=100, le=10_000_000,
        description="Objects of each kind that are remembered; more are counted and not taken. About 2 KiB a pod.",
    )  # fmt: skip
    request_timeout_s: Seconds = Field(
        30.0, alias="request_timeout", ge=0.1, le=600, description="A list that takes longer is given up and retried."
    )
    watch_timeout_s: Seconds = Field(
        300.0, alias="watch_timeout", ge=1, le=3600,
        description="A watch is begun anew after this, up to twice: a connection that died unseen is found by then.",
    )  # fmt: skip
    initial_backoff_s: Seconds = Field(
        1.0, alias="initial_backoff", ge=0.001, le=3600, description="Pause after a failure; it doubles."
    )
    max_backoff_s: Seconds = Field(
        60.0, alias="max_backoff", ge=0.001, le=86400, description="The longest pause between tries."
    )
