"""What questions about the mesh have in common: a window, names, pages; and what answers them."""

import base64
import binascii
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import orjson
from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field

from telemetry.catalog import Capacity, Catalog, Service
from telemetry.edges import EdgeStore, Reader, Window
from telemetry.graph.decorating import Healths
from telemetry.health import DEFAULT_TOLERANCES, Subject, reported, request_health
from telemetry.http.problems import Problem
from telemetry.saturation import Headroom

__all__ = ["Mesh", "Page", "Windowed", "answer", "header", "healths", "page_of"]

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_MAX_WINDOW_S = 92 * 86400

Item = TypeVar("Item")


def _unknown() -> float | None:
    return None


@dataclass(frozen=True, slots=True)
class Mesh:
    """What is known of the mesh. `completeness`: the share of all traffic that we have seen, None when nobody knows."""

    store: EdgeStore
    catalog: Catalog
    completeness: Callable[[], float | None] = _unknown
    headroom: Headroom | None = None
    clock_s: Callable[[], float] = time.time

    def owner(self, namespace: str | None, name: str) -> Service | None:
        """Find a service of the catalog: by namespace and name, else by a name that has no namespace there."""
        index = self.catalog.index
        return index.service_named(f"{namespace}/{name}" if namespace else name) or index.service_named(name)

    def capacity(self, namespace: str | None, name: str) -> Capacity | None:
        """Give what a service was sized for."""
        service = self.owner(namespace, name)
        return service.capacity if service else None


class Windowed(BaseModel):
    """A time: the last so long, or from one moment to another."""

    model_config = ConfigDict(extra="forbid")

    window: Annotated[str, Field(description="How long back from `to`: 10m, 1h, 7d.", examples=["10m"])] = "10m"
    start: Annotated[
        str | None, Field(alias="from", description="Begin there instead: 2026-01-31T12:00:00Z, or seconds since 1970.")
    ] = None
    end: Annotated[str | None, Field(alias="to", description="End there; now when left out. As `from`.")] = None

    def asked(self, now_s: float) -> Window:
        """Give the window, not yet aligned. Raises Problem."""
        end_s = now_s if self.end is None else min(_moment("to", self.end), now_s)
        start_s = end_s - _seconds(self.window) if self.start is None else _moment("from", self.start)
        if start_s >= end_s:
            raise Problem(422, "from: must be before to, and not in the future")
        if end_s - start_s > _MAX_WINDOW_S:
            raise Problem(422, "window: at most 92d; ask for less, or step by step with from and to")
        return Window(start_s, end_s)


class Page(Windowed):
    """A time, and a page of what is found there."""

    limit: Annotated[int, Field(ge=1, le=1000, description="At most so many items.")] = 100
    cursor: Annotated[str | None, Field(description="Where the last page ended: its `next`.", max_length=4096)] = None


def _seconds(text: str) -> float:
    match = re.fullmatch(r"(\d{1,9})([smhd])", text, re.ASCII)
    if match is None or not int(match[1]):
        raise Problem(422, "window: must be a duration such as 90s, 10m, 1h or 7d")
    return max(60.0, float(int(match[1]) * _UNITS_S[match[2]]))


def _moment(name: str, text: str) -> float:
    if re.fullmatch(r"\d{1,10}(\.\d{1,9})?", text, re.ASCII):
        return float(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Problem(422, f"{name}: must be a time such as 2026-01-31T12:00:00Z, or seconds since 1970") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def header(mesh: Mesh, window: Window) -> dict[str, Any]:
    """Give what every answer begins with: its time, and how much of the traffic was seen."""
    end_s = min(window.end_s, mesh.clock_s())
    return {"from": _iso(window.start_s), "to": _iso(end_s), "completeness": mesh.completeness()}


def _iso(time_s: float) -> str:
    return datetime.fromtimestamp(time_s, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def answer(content: Mapping[str, Any], media_type: str = "application/json") -> Response:
    """Give JSON; orjson writes what is not a number as null."""
    return Response(orjson.dumps(content), media_type=media_type)


def page_of(items: Sequence[Item], key: Callable[[Item], str], page: Page) -> tuple[Sequence[Item], str | None]:
    """Give a page of items that are sorted by a key of their own, and the cursor of the next one."""
    after = _uncovered(page.cursor)
    rest = [one for one in items if after is None or key(one) > after]
    shown = rest[: page.limit]
    return shown, _covered(key(shown[-1])) if len(rest) > len(shown) else None


def _covered(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode("utf-8", "surrogatepass")).decode()


def _uncovered(cursor: str | None) -> str | None:
    if cursor is None:
        return None
    try:
        return base64.b64decode(cursor, altchars=b"-_", validate=True).decode("utf-8", "surrogatepass")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise Problem(422, "cursor: must be the `next` of an earlier answer; leave it out to begin") from None


def healths(reader: Reader, window: Window, subject: Subject) -> Healths:
    """Give Kiali's health of every subject."""
    found = reported(reader, window, subject)
    return {who: request_health(one.inbound, one.outbound, DEFAULT_TOLERANCES) for who, one in found.items()}
