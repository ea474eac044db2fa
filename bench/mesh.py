"""The mesh that the benchmark pretends to be: who exists, who calls whom, what happens in each request."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

NAMES = (
    "cart",
    "catalogue",
    "checkout",
    "currency",
    "email",
    "frontend",
    "inventory",
    "ledger",
    "orders",
    "payment",
    "pricing",
    "profile",
    "ratings",
    "advice",
    "reviews",
    "search",
    "session",
    "shipping",
    "stock",
    "tax",
)
NAMESPACES = ("shop", "bank", "media", "fleet", "games", "health", "travel", "energy", "school", "press")
USER_AGENTS = (
    "okhttp/4.12.0",
    "Go-http-client/2.0",
    "python-httpx/0.28.1",
    "grpc-java-netty/1.68.1",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0",
)
RESET = "upstream_reset_before_response_started{connection_termination}"
# Code, Envoy's details, name of the response flag. Most requests go well; the others of an edge end alike,
# which bounds the series: each outcome of an edge costs 64 samples at either end.
WELL = (200, "via_upstream", "")
OTHERWISE = (
    (201, "via_upstream", ""),
    (304, "via_upstream", ""),
    (404, "via_upstream", ""),
    (500, "via_upstream", ""),
    (503, RESET, "upstream_connection_termination"),
    (504, "response_timeout", "upstream_request_timeout"),
    (503, "via_upstream", "upstream_retry_limit_exceeded"),
)
METHODS = ("GET", "POST", "PUT", "DELETE")
METHOD_WEIGHTS = (80, 15, 3, 2)
PATHS = 5_000


@dataclass(frozen=True, slots=True)
class Workload:
    """A deployment with one pod."""

    number: int

    @property
    def app(self) -> str:
        return f"{NAMES[self.number % len(NAMES)]}-{self.number // len(NAMES)}"

    @property
    def name(self) -> str:
        return f"{self.app}-v1"

    @property
    def namespace(self) -> str:
        return NAMESPACES[self.number // len(NAMES) % len(NAMESPACES)]

    @property
    def pod(self) -> str:
        return f"{self.name}-{self.number * 2_654_435_761 % 2**32:08x}-{self.number:05d}"

    @property
    def ip(self) -> str:
        return f"10.244.{self.number // 250}.{self.number % 250 + 1}"

    @property
    def host(self) -> str:
        return f"{self.app}.{self.namespace}.svc.cluster.local"

    @property
    def spiffe_id(self) -> str:
        return f"spiffe://cluster.local/ns/{self.namespace}/sa/{self.app}"


@dataclass(frozen=True, slots=True)
class Request:
    """One request of one workload to another, as both of their sidecars will report it."""

    client: Workload
    server: Workload
    id: str
    client_port: int
    sidecar_port: int
    method: str
    path: str
    authority: str
    user_agent: str
    code: int
    details: str
    flag: str
    started_us: int
    app_us: int
    request_bytes: int
    response_bytes: int
    traceparent: str


@dataclass(frozen=True)
class Mesh:
    """A regular graph: each workload calls `calls` others, and is called by as many.

    `distinct`: every path and user agent is another one; `hosts`: every authority, too. `at_us`: when it began.
    """

    workloads: int = 200
    calls: int = 2
    requests_per_call: int = 255
    distinct: bool = False
    hosts: bool = False
    seed: int = 1
    at_us: int = 0

    @cached_property
    def members(self) -> tuple[Workload, ...]:
        return tuple(Workload(number) for number in range(self.workloads))

    def requests_of(self, workload: Workload) -> Iterator[Request]:
        """Give the requests that this workload made, then those that it served."""
        for step in range(1, self.calls + 1):
            yield from self._requests(workload, self._neighbour(workload, step))
        for step in range(1, self.calls + 1):
            yield from self._requests(self._neighbour(workload, -step), workload)

    def _neighbour(self, workload: Workload, steps: int) -> Workload:
        return self.members[(workload.number + steps * 3) % self.workloads]

    def _requests(self, client: Workload, server: Workload) -> Iterator[Request]:
        # Seeded by the edge, so that both ends tell the same story without being made together.
        dice = random.Random(f"{self.seed}/{client.number}/{server.number}")
        for number in range(self.requests_per_call):
            yield self._request(dice, client, server, number)

    def _request(self, dice: random.Random, client: Workload, server: Workload, number: int) -> Request:
        code, details, flag = WELL if dice.random() < 0.9 else OTHERWISE[(client.number + server.number) % 7]
        unique = f"{client.number}-{server.number}-{number}"
        bits = dice.getrandbits(128)
        text = f"{bits:032x}"
        # Half of the traffic goes to a few pages, half to all of them.
        page = (bits >> 1) % PATHS if bits % 2 else min(int(dice.paretovariate(1.0)), PATHS) - 1
        return Request(
            client=client,
            server=server,
            id=f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}",
            client_port=30_000 + bits % 30_000,
            sidecar_port=30_000 + (bits >> 16) % 30_000,
            method=dice.choices(METHODS, METHOD_WEIGHTS)[0],
            path=f"/api/v1/items/{unique if self.distinct else page}?page={bits % 10}",
            authority=f"{unique}.example.org" if self.hosts else f"{server.app}.{server.namespace}:8080",
            user_agent=f"agent/{unique}" if self.distinct else USER_AGENTS[bits % len(USER_AGENTS)],
            code=code,
            details=details,
            flag=flag,
            started_us=self.at_us + int(dice.random() * 1e6),
            app_us=int(dice.lognormvariate(9.0, 1.0)),
            request_bytes=bits % 2_000,
            response_bytes=(bits >> 8) % 20_000,
            traceparent=f"00-{text}-{text[:16]}-01" if bits % 4 < 2 else "",
        )
