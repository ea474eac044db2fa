"""The sections of a catalog file: every key, its bounds, its meaning."""

import ipaddress
import re
from typing import Annotated, Self

from pydantic import AfterValidator, Field, StringConstraints, WithJsonSchema, model_validator

from telemetry.config.section import Section
from telemetry.mesh.workload import Workload
from telemetry.options import ReadableFile, Seconds

__all__ = ["Capacity", "CatalogFile", "Contacts", "Latency", "Objectives", "OperationRule", "Service"]

_LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST = rf"(\*\.)?{_LABEL}(\.{_LABEL}){{0,30}}"
_MAIL = r"[^@\s<>\"']{1,64}@[A-Za-z0-9.-]{1,253}"
_HTTP = r"https?://[^\s<>\"'`]{1,2000}"


def _host(text: str) -> str:
    host = text.lower()
    if len(host) > 253 or not re.fullmatch(_HOST, host):
        raise ValueError("must be a host without port, such as reviews.shop.svc.cluster.local or *.example.com")
    return host


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError:
        pass
    try:
        meant = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError("must be an IP address or a network, such as 10.1.2.3, 10.1.0.0/16 or 2001:db8::/32") from None
    raise ValueError(f"has bits beyond its prefix; write {meant} for the network, or the address without /")


def _regex(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"must be a regular expression: {error}") from None
    return pattern


def _like(pattern: str, otherwise: str) -> tuple[AfterValidator, WithJsonSchema]:
    """Check text against a pattern that no message needs to show."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(otherwise)
        return text

    return AfterValidator(check), WithJsonSchema({"type": "string", "pattern": f"^{pattern}$"})


Text = Annotated[str, StringConstraints(min_length=1, max_length=253)]
Host = Annotated[str, AfterValidator(_host), WithJsonSchema({"type": "string", "pattern": r"^(\*\.)?[A-Za-z0-9_.-]+$"})]
Network = Annotated[str, AfterValidator(_network), WithJsonSchema({"type": "string", "pattern": "^[0-9A-Fa-f.:/]+$"})]
Mail = Annotated[str, *_like(_MAIL, "must be a mail address, such as team@example.com")]
HttpUrl = Annotated[str, *_like(_HTTP, "must be a URL that begins with https:// or http://")]
Ratio = Annotated[float, Field(ge=0, le=1)]
Method = Annotated[str, *_like(r"[A-Z][A-Z0-9_-]{0,31}", "must be a method in capital letters, such as GET")]
Regex = Annotated[str, StringConstraints(min_length=1, max_length=1000), AfterValidator(_regex)]
Glob = Annotated[str, StringConstraints(min_length=1, max_length=1000, pattern=r"^/")]


class Contacts(Section):
    """How to reach the people who own a service."""

    mail: Mail | None = Field(None, description="Mail address of the team.")
    chat: Text | None = Field(None, description="Where they chat: a channel's name, or its URL.")
    on_call: HttpUrl | None = Field(None, description="Page that says, or pages, who is on call.")


class Capacity(Section):
    """How much a service can bear, all its instances together."""

    requests_per_second: float | None = Field(None, gt=0, description="Requests per second that it was sized for.")
    concurrency: float | None = Field(None, gt=0, description="Requests at the same time that it was sized for.")


class Latency(Section):
    """How fast it is to answer: by percentiles, or as a share of requests within a threshold."""

    p50: Seconds | None = Field(None, gt=0, description="Half of all requests take no longer.")
    p95: Seconds | None = Field(None, gt=0, description="95 of 100 requests take no longer.")
    p99: Seconds | None = Field(None, gt=0, description="99 of 100 requests take no longer.")
    threshold_s: Seconds | None = Field(
        None, alias="threshold", gt=0, description="`ratio` of all requests take no longer."
    )
    ratio: Ratio | None = Field(None, description="Share of requests within `threshold`, such as 0.999.")

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if (self.threshold_s is None) != (self.ratio is None):
            raise ValueError("threshold and ratio need each other")
        written = [one for one in (self.p50, self.p95, self.p99) if one is not None]
        if written != sorted(written):
            raise ValueError("p50 is at most p95, and p95 at most p99")
        return self

    @property
    def targets(self) -> tuple[tuple[float, float], ...]:
        """Give all of them as (share of requests, seconds), the smallest share first."""
        pairs = ((0.5, self.p50), (0.95, self.p95), (0.99, self.p99), (self.ratio, self.threshold_s))
        return tuple(sorted((share, limit) for share, limit in pairs if share is not None and limit is not None))


class Objectives(Section):
    """What its callers may count on. Written as availability or as its complement, the ratio of errors."""

    availability: Ratio | None = Field(None, description="Share of requests without error, such as 0.999.")
    error_ratio: Ratio | None = Field(None, description="Share of requests that may fail: 1 - availability.")
    latency: Latency | None = Field(None, description="How fast it is to answer.")
    window_s: Seconds = Field(
        30 * 86400.0, alias="window", ge=3600, le=366 * 86400, description="Time over which they hold."
    )

    @model_validator(mode="after")
    def _said_once(self) -> Self:
        if self.availability is not None and self.error_ratio is not None:
            raise ValueError("availability and error_ratio say the same; keep one")
        return self

    @property
    def max_error_ratio(self) -> float | None:
        """The share of requests that may fail, however it was written."""
        return self.error_ratio if self.availability is None else round(1 - self.availability, 9)


class OperationRule(Section):
    """Which requests are one operation; the first rule that fits names it."""

    name: Text = Field(description="The operation's name.")
    path: Glob | None = Field(
        None, description="Paths, without query: `*` is one segment, `**` any rest, such as /users/*/orders/**."
    )
    regex: Regex | None = Field(None, description="A regular expression that the whole path matches.")
    methods: tuple[Method, ...] = Field((), max_length=16, description="Only these methods; none means all.")

    @model_validator(mode="after")
    def _one_pattern(self) -> Self:
        if (self.path is None) == (self.regex is None):
            raise ValueError("needs either path or regex")
        return self


class Service(Section):
    """One service: how it is recognised, who owns it, what it promises."""

    name: Text = Field(description="Its name; with its namespace and cluster, nobody else's.")
    namespace: Text | None = Field(None, description="Its namespace, where there are such.")
    cluster: Text | None = Field(None, description="The cluster it is in, where its workloads don't say.")
    hosts: tuple[Host, ...] = Field(
        (), max_length=256,
        description="Its hosts, without port; *.example.com stands for all below it. With a namespace, "
        "name.namespace.svc.cluster.local and its short forms are its hosts too.",
    )  # fmt: skip
    addresses: tuple[Network, ...] = Field(
        (), max_length=4096, description="IP addresses and networks that are its own; the longest prefix wins."
    )
    workload: Text | None = Field(None, description="Workload behind its addresses; its name when left out.")
    app: Text | None = Field(None, description="App label of that workload; its name when left out.")
    version: Text | None = Field(None, description="Version label of that workload.")
    owner: Text | None = Field(None, description="The team that owns it.")
    contacts: Contacts | None = Field(None, description="How to reach them.")
    tier: int | None = Field(None, ge=0, le=9, description="How much depends on it; 0 is the most.")
    capacity: Capacity | None = Field(None, description="How much it can bear.")
    objectives: Objectives | None = Field(None, description="What its callers may count on.")
    depends_on: tuple[Text, ...] = Field(
        (), max_length=1000, description="Services of this file that it calls: name, or namespace/name."
    )
    openapi: ReadableFile | None = Field(
        None, description="OpenAPI document that names its operations; relative to this file."
    )
    operations: tuple[OperationRule, ...] = Field(
        (), max_length=1000, description="Rules that name its operations, before those of `openapi`."
    )

    @property
    def key(self) -> str:
        """Its name in the catalog: `namespace/name`, or `name`."""
        return f"{self.namespace}/{self.name}" if self.namespace else self.name

    def as_workload(self) -> Workload:
        """Give the workload behind its addresses."""
        return Workload(
            name=self.workload or self.name,
            namespace=self.namespace,
            cluster=self.cluster,
            app=self.app or self.name,
            version=self.version,
            canonical_service=self.name,
            canonical_revision=self.version or "latest",
        )


class CatalogFile(Section):
    """A whole catalog."""

    services: tuple[Service, ...] = Field((), max_length=20_000, description="All services, in any order.")
