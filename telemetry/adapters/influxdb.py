"""Writes metrics, edges and log entries to InfluxDB, 1.x to 3.x, as line protocol."""

import asyncio
import base64
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import ClassVar, Self
from urllib.parse import urlencode

from isal import igzip

from telemetry.batch import Batch, Template
from telemetry.errors import Partial, Rejected, Retry
from telemetry.line_protocol.answers import judge
from telemetry.line_protocol.lines import MAX_SERIES_BYTES, lines_of
from telemetry.line_protocol.options import Options
from telemetry.line_protocol.points import plan_of
from telemetry.outgoing.http import HttpPoster
from telemetry.outgoing.tls import TlsFiles
from telemetry.plugin import Limits

__all__ = ["InfluxDB"]

_MAX_ANSWER_BYTES = 1 << 20
_PATHS = {"v1": "/write", "v2": "/api/v2/write", "v3": "/api/v3/write_lp"}
_TOO_LONG = f"measurement and tags have more than {MAX_SERIES_BYTES} bytes, which InfluxDB does not take"


class InfluxDB(AbstractAsyncContextManager["InfluxDB"]):
    """Accepts METRIC, EDGE and LOGENTRY; an export is one request.

    A row's point has a series and a time that its identity gives: sent again, it takes its own place.
    """

    class Config(Options):
        """What can be set."""

    accepts: ClassVar[frozenset[Template]] = frozenset({Template.METRIC, Template.EDGE, Template.LOGENTRY})

    def __init__(self, config: Config) -> None:
        self._config = config
        self._url = config.url.rstrip("/") + _PATHS[config.api] + "?" + urlencode(_parameters(config))
        self._plans = {
            template: plan_of(template, config.tags.get(template), config.fields.get(template))
            for template in self.accepts
        }
        self._poster: HttpPoster | None = None
        self._threads = ThreadPoolExecutor(thread_name_prefix="influxdb")

    @property
    def limits(self) -> Limits:
        """The most that one request may hold."""
        return Limits(rows=self._config.max_lines)

    async def __aenter__(self) -> Self:
        config = self._config
        tls = TlsFiles(config.certificate, config.client_certificate, config.client_key)
        self._poster = HttpPoster(tls, timeout_s=config.timeout_s, max_answer_bytes=_MAX_ANSWER_BYTES)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._poster is not None:
            await self._poster.aclose()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def export(self, batch: Batch) -> None:
        """Write the batch's rows.

        Raises what InfluxDB's answer asks for (`line_protocol.answers.judge`), and Partial for rows whose names and
        labels are longer than it takes.
        """
        if self._poster is None:
            raise Retry("influxdb: the adapter has not been entered")
        if batch.rows.is_empty():
            return
        body, positions = await asyncio.get_running_loop().run_in_executor(self._threads, self._encode, batch)
        too_long = dict.fromkeys(sorted(set(range(len(batch.rows))) - set(positions)), _TOO_LONG)
        if positions:
            await self._write(self._poster, body, positions, too_long)
        if too_long and not positions:
            raise Rejected(f"influxdb: {_TOO_LONG}")
        if too_long:
            raise Partial(f"influxdb: {_TOO_LONG}", rejected=too_long)

    def _encode(self, batch: Batch) -> tuple[bytes, list[int]]:
        name = self._config.measurements.get(batch.template)
        lines = lines_of(batch, self._plans[batch.template], name)
        positions = lines.is_not_null().arg_true().to_list()
        text = lines.str.join("\n", ignore_nulls=True)[0] or ""
        body = text.encode()
        return (igzip.compress(body, 1) if self._config.gzip else body), positions

    async def _write(self, poster: HttpPoster, body: bytes, positions: list[int], too_long: dict[int, str]) -> None:
        answer = await poster.post(self._url, body, self._headers())
        try:
            judge(answer, positions)
        except Partial as error:
            raise Partial(str(error), rejected={**error.rejected, **too_long}) from None

    def _headers(self) -> dict[str, str]:
        config = self._config
        headers = {"content-type": "text/plain; charset=utf-8"}
        if config.gzip:
            headers["content-encoding"] = "gzip"
        if config.token is not None:
            scheme = "Bearer" if config.api == "v3" else "Token"
            headers["authorization"] = f"{scheme} {config.token.get_secret_value()}"
        elif config.username is not None and config.password is not None:
            pair = f"{config.username}:{config.password.get_secret_value()}".encode()
            headers["authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        return headers


def _parameters(config: Options) -> dict[str, str]:
    wanted = {
        "v1": {"db": config.database, "rp": config.retention_policy, "precision": "ns"},
        "v2": {"bucket": config.bucket, "org": config.organization, "precision": "ns"},
        "v3": {"db": config.database, "precision": "nanosecond", "accept_partial": "true"},
    }[config.api]
    return {name: value for name, value in wanted.items() if value is not None}
