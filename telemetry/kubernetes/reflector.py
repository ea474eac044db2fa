"""One kind of object, listed and then watched, for ever."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random
from typing import Generic, TypeVar

import structlog

from telemetry.kubernetes.api import Api, Change, Refused, Unreachable
from telemetry.kubernetes.objects import Object
from telemetry.kubernetes.records import Key
from telemetry.kubernetes.store import Kept, Store

__all__ = ["Kind", "Made", "Patience", "Reflector"]

log = structlog.get_logger(__name__)

Made = TypeVar("Made", bound=Object)

_UNAUTHORISED, _GONE, _TOO_MANY = 401, 410, 429


@dataclass(frozen=True, slots=True)
class Patience:
    """How long things may take, and how long to wait between tries."""

    watch_s: float
    initial_backoff_s: float
    max_backoff_s: float
    settled_s: float = 1.0
    """A watch that lived so long went well; one that ended sooner without a word did not."""

    def backoff_s(self, failures: int, random: Random) -> float:
        """Exponential with half of it jitter; `failures`: so many in a row, at least 1."""
        ceiling = min(self.max_backoff_s, self.initial_backoff_s * 2 ** min(failures - 1, 30))
        return random.uniform(ceiling / 2, ceiling)


@dataclass(frozen=True, slots=True)
class Kind(Generic[Made, Kept]):
    """A kind of object: its name in paths, the API group that has it, and how it is reduced."""

    name: str
    group: str
    model: type[Made]
    reduce: Callable[[Made], Kept]

    def path(self, namespace: str | None) -> str:
        """Give where its objects are listed."""
        return f"/{self.group}/namespaces/{namespace}/{self.name}" if namespace else f"/{self.group}/{self.name}"


class Reflector(Generic[Made, Kept]):
    """Keeps a store as the server's state is: list, then watch from there; list again when the server says it must.

    After client-go's Reflector: a watch that ends goes on from its last version; one that fails for lack of a server
    too; 410 Gone, as answer or as event, and any other refusal but 429 lead to a new list. What the list still has is
    never forgotten in between.

    `problem` says in words what is wrong now; `synced` whether there has been a whole list.
    """

    def __init__(
        self,
        api: Api,
        kind: Kind[Made, Kept],
        namespace: str | None,
        store: Store[Kept],
        *,
        patience: Patience,
        random: Random,
        page_size: int,
        relisted: Callable[[str, str], None],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._api = api
        self._kind = kind
        self._namespace = namespace
        self._path = kind.path(namespace)
        self._store = store
        self._patience = patience
        self._random = random
        self._page_size = page_size
        self._whole = False
        self._relisted = relisted
        self._sleep = sleep
        self._version: str | None = None
        self._reason = "start"
        self._failures = 0
        self.synced = False
        self.problem: str | None = None

    @property
    def name(self) -> str:
        """What it watches, in words."""
        return f"{self._kind.name} in {self._namespace}" if self._namespace else self._kind.name

    async def run(self) -> None:
        """Keep the store true until cancelled."""
        while True:
            try:
                if self._version is None:
                    await self._list()
                await self._watch()
            except Unreachable as error:
                await self._fail(str(error))
            except Refused as refused:
                await self._refused(refused)

    async def _list(self) -> None:
        found: dict[Key, Kept] = {}
        token: str | None = ""
        while token is not None:
            page = await self._api.page(
                self._path, self._kind.model, limit=None if self._whole else self._page_size, token=token
            )
            for made in page.items:
                record = self._kind.reduce(made)
                found[record.key] = record
            token = page.metadata.continue_ or None
        self._relisted(self._kind.name, self._reason)
        self._store.replace(self._namespace, found.values())
        self._version, self._whole, self.synced = page.metadata.resource_version, False, True

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        seconds = math.ceil(self._patience.watch_s * self._random.uniform(1, 2))
        async with self._api.watch(self._path, self._kind.model, self._version or "", seconds) as changes:
            settled = loop.call_later(self._patience.settled_s, self._go_on)
            began, some = loop.time(), False
            try:
                async for change in changes:
                    self._take(change)
                    some = True
            finally:
                settled.cancel()
        if some:
            self._go_on()
        elif loop.time() - began < self._patience.settled_s:
            raise Unreachable("the watch ended as soon as it began")

    def _take(self, change: Change[Made]) -> None:
        self._version = change.version or self._version
        if change.made is None:
            return
        record = self._kind.reduce(change.made)
        if change.type == "DELETED":
            self._store.remove(record.key)
        else:
            self._store.put(record)

    async def _refused(self, refused: Refused) -> None:
        if refused.status == _GONE:
            # A list whose pages outlive the server's memory is asked for in one piece.
            self._whole = self._version is None
            self._list_again("expired")
            # Once is the way of things; again, before anything went well, is not.
            if self._failures == 0:
                self._failures = 1
                return
        elif refused.status != _TOO_MANY:
            self._list_again("refused")
        if refused.status == _UNAUTHORISED:
            await self._renew()
        await self._fail(str(refused))

    async def _renew(self) -> None:
        try:
            await self._api.renew()
        except Unreachable as error:
            log.warning("kubernetes: not signed in", problem=str(error))

    def _list_again(self, reason: str) -> None:
        if self._version is not None:
            self._version, self._reason = None, reason

    async def _fail(self, problem: str) -> None:
        self._failures += 1
        if self.problem != problem:
            log.warning("kubernetes: trying again", what=self.name, problem=problem)
        self.problem = problem
        await self._sleep(self._patience.backoff_s(self._failures, self._random))

    def _go_on(self) -> None:
        """Note that things go well."""
        if self.problem:
            log.info("kubernetes: well again", what=self.name)
        self._failures, self.problem = 0, None
