"""What can be set of the export to Google Cloud Logging."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from telemetry.options import Seconds, Secret

__all__ = ["Options", "ResourceType"]

ResourceType = Literal["auto", "k8s_container", "k8s_pod", "generic_node"]

_Label = Annotated[str, StringConstraints(max_length=256)]
_Key = Annotated[str, StringConstraints(min_length=1, max_length=128)]


class Options(BaseModel):
    """What can be set. Who we are is Google's application default credentials, unless `service_account` is set."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_by_name=True, validate_by_alias=True)

    project: str = Field(
        pattern=r"^([a-z0-9.-]{1,100}:)?[a-z][a-z0-9-]{4,28}[a-z0-9]$",
        description="Id of the Google Cloud project that the entries, and their traces, belong to.",
    )
    log_name: str | None = Field(
        None, min_length=1, max_length=128,
        description="Name of the log, as it is; it is URL-encoded for you. null: Istio's, server-accesslog-stackdriver "
        "or client-accesslog-stackdriver, by who reported.",
    )  # fmt: skip
    service_account: Secret | None = Field(
        None, description="Key of a service account, the JSON text: file:/path or env:NAME."
    )
    endpoint: str = Field(
        "logging.googleapis.com", pattern=r"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]{1,253})(:\d{1,5})?$",
        description="Host of the API, with a port where it is not 443: a regional or private endpoint.",
    )  # fmt: skip
    insecure: bool = Field(
        False, description="No TLS and no credentials: for an emulator or a test's server, never for Google."
    )
    timeout_s: Seconds = Field(10.0, alias="timeout", ge=0.01, le=3600, description="For one request.")
    resource_type: ResourceType = Field(
        "auto",
        description="Monitored resource. auto: as Istio's, k8s_container for what a server's proxy reports, k8s_pod "
        "for a client's; generic_node where the reporter is no pod.",
    )
    location: str | None = Field(None, max_length=64, description="Zone or region of the workloads.")
    cluster: str | None = Field(
        None, max_length=128, description="Name of the GKE cluster. null: the workload's cluster id in the mesh."
    )
    container: str = Field("istio-proxy", max_length=128, description="Container of a k8s_container.")
    mesh_uid: str | None = Field(None, max_length=256, description="Value of the label mesh_uid; null leaves it out.")
    labels: Mapping[_Key, _Label] = Field(
        default_factory=dict, max_length=20, description="Further labels of every entry; they win over ours."
    )
