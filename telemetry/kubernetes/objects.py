"""The API's objects, as much of them as we read; the rest is skipped while it is parsed."""

from typing import Annotated, Generic, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

__all__ = ["Bookmark", "EndpointSlice", "Metadata", "Object", "OwnerReference", "Page", "Pod", "Service", "Status"]


class _Read(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="ignore", frozen=True)


Item = TypeVar("Item")
# Go writes an empty list, or map, as null where it isn't told to leave it out.
Items = Annotated[list[Item], BeforeValidator(lambda value: [] if value is None else value)]
Labels = Annotated[dict[str, str], BeforeValidator(lambda value: {} if value is None else value)]


class OwnerReference(_Read):
    """Who made an object; the one with `controller` looks after it."""

    api_version: str = ""
    kind: str
    name: str
    controller: bool | None = None


class Metadata(_Read):
    """What every object has."""

    name: str
    namespace: str = ""
    labels: Labels = Field(default_factory=dict)
    owner_references: Items[OwnerReference] = Field(default_factory=list)
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    resource_version: str = ""


class Object(_Read):
    """Any object."""

    metadata: Metadata


class _PodSpec(_Read):
    host_network: bool = False


class _PodIp(_Read):
    ip: str = ""


class _PodStatus(_Read):
    phase: str = ""
    pod_ip: str = Field("", alias="podIP")
    pod_ips: Items[_PodIp] = Field(default_factory=list, alias="podIPs")


class Pod(Object):
    """v1 Pod."""

    spec: _PodSpec = _PodSpec()
    status: _PodStatus = _PodStatus()


class _ServiceSpec(_Read):
    cluster_ip: str = Field("", alias="clusterIP")
    cluster_ips: Items[str] = Field(default_factory=list, alias="clusterIPs")
    external_ips: Items[str] = Field(default_factory=list, alias="externalIPs")


class _Ingress(_Read):
    ip: str = ""


class _LoadBalancer(_Read):
    ingress: Items[_Ingress] = Field(default_factory=list)


class _ServiceStatus(_Read):
    load_balancer: _LoadBalancer = _LoadBalancer()


class Service(Object):
    """v1 Service."""

    spec: _ServiceSpec = _ServiceSpec()
    status: _ServiceStatus = _ServiceStatus()


class _Endpoint(_Read):
    addresses: Items[str] = Field(default_factory=list)


class EndpointSlice(Object):
    """discovery.k8s.io/v1 EndpointSlice."""

    address_type: str = ""
    endpoints: Items[_Endpoint] = Field(default_factory=list)


class _ListMetadata(_Read):
    resource_version: str = ""
    continue_: str = Field("", alias="continue")


class Page(_Read, Generic[Item]):
    """A page of a list."""

    metadata: _ListMetadata
    items: Items[Item] = Field(default_factory=list)


class _Version(_Read):
    resource_version: str


class Bookmark(_Read):
    """A watch's word on how far it has come: no object but for its version."""

    metadata: _Version


class Status(_Read):
    """What the server says when it refuses."""

    code: int = 0
    reason: str = ""
    message: str = ""
