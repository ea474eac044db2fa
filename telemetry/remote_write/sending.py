"""Requests of series to a back end, in the newest protocol that it knows, and what it says to them.

https://prometheus.io/docs/specs/prw/remote_write_spec_2_0/#protocol (2.0-rc.4)
"""

import time
from collections.abc import Callable, Mapping, Sequence

import cramjam
import structlog

from telemetry.errors import ExportError, Rejected, Retry, TooLarge
from telemetry.outgoing.answers import retry_after_s, shown
from telemetry.outgoing.http import Answer, Poster
from telemetry.remote_write.messages import request_v1, request_v2, sample_count
from telemetry.remote_write.series import Series

__all__ = ["MAX_ANSWER_BYTES", "Sender"]

log = structlog.get_logger(__name__)

MAX_ANSWER_BYTES = 16 * 1024

_V1 = {"content-type": "application/x-protobuf", "x-prometheus-remote-write-version": "0.1.0"}
_V2 = {
    "content-type": "application/x-protobuf;proto=io.prometheus.write.v2.Request",
    "x-prometheus-remote-write-version": "2.0.0",
}
_WRITTEN = "x-prometheus-remote-write-{}-written"
_OPERATOR = {
    401: "the back end does not accept our credentials; check the headers and the client certificate",
    403: "the back end forbids it to our credentials; check what they may do",
    404: "nothing takes writes at this URL; check url, and that the back end's receiver is on",
    408: "the back end did not wait for the whole request",
    415: "the back end knows none of our protocols; check url and protocol",
}


class Sender:
    """Posts requests. `newest`: whether 2.0 is still in use; `refused`: samples that a back end left out, so far."""

    def __init__(
        self,
        url: str,
        protocol: str,
        headers: Mapping[str, str],
        poster: Poster,
        clock_s: Callable[[], float] = time.time,
    ) -> None:
        self._url = url
        self._headers = {**headers, "content-encoding": "snappy", "user-agent": "mesh-telemetry"}
        self._poster = poster
        self._clock_s = clock_s
        self._may_fall_back = protocol == "auto"
        self.newest = protocol != "1.0"
        self.refused = 0

    async def send(self, series: Sequence[Series], time_ms: int) -> bool:
        """Write the series, in smaller requests where one is too large.

        False when the back end turns out not to know 2.0: these, made for it, were not written, and are to be made
        anew. Raises Retry or Rejected as the answer says; TooLarge for a single series.
        """
        try:
            return await self._send(series, time_ms)
        except TooLarge:
            half = len(series) // 2
            if not half:
                raise
            return await self.send(series[:half], time_ms) and await self.send(series[half:], time_ms)

    async def aclose(self) -> None:
        """Let go of the connections."""
        await self._poster.aclose()

    async def _send(self, series: Sequence[Series], time_ms: int) -> bool:
        if self.newest:
            if not await self._try_newest(series, time_ms):
                log.warning("the back end does not know remote write 2.0; 1.0 is used from now on")
                self.newest = False
            return self.newest
        answer = await self._post(request_v1(series, time_ms), _V1)
        if answer.status // 100 != 2:
            raise self._error(answer)
        return True

    async def _try_newest(self, series: Sequence[Series], time_ms: int) -> bool:
        """Write by 2.0; False when the back end shows that it knows only 1.0."""
        answer = await self._post(request_v2(series, time_ms), _V2)
        if answer.status == 415 and self._may_fall_back:
            return False
        taken = answer.status // 100 == 2
        if taken and _WRITTEN.format("samples") not in answer.headers:
            # Read as 1.0 the request holds nothing: whoever says nothing of what was written has written nothing.
            if self._may_fall_back:
                return False
            raise Retry("remote write: the back end does not say what it wrote, as 2.0 demands; set protocol: '1.0'")
        error = None if taken else self._error(answer)
        if error is None or isinstance(error, Rejected):
            self._count(series, answer)
        if error:
            raise error
        return True

    def _count(self, series: Sequence[Series], answer: Answer) -> None:
        """Count what was left out, where the answer says what was written."""
        samples = sample_count(series)
        left_out = 0
        for name, sent in (("samples", samples), ("histograms", len(series) - samples)):
            text = answer.headers.get(_WRITTEN.format(name), "")
            if text.isascii() and text.isdigit():
                left_out += max(0, sent - int(text[:15]))
        if left_out:
            self.refused += left_out
            log.error("the back end left out a part of a write", samples=left_out, why=_said(answer))

    async def _post(self, request: bytes, headers: Mapping[str, str]) -> Answer:
        compressed = bytes(cramjam.snappy.compress_raw(request))
        return await self._poster.post(self._url, compressed, {**self._headers, **headers})

    def _error(self, answer: Answer) -> ExportError:
        said = f"remote write: HTTP {answer.status}: {_said(answer)}"
        after_s = retry_after_s(answer.headers.get("retry-after", ""), self._clock_s())
        if answer.status in _OPERATOR:
            return Retry(f"{said}; {_OPERATOR[answer.status]}", after_s)
        if answer.status == 413:
            return TooLarge(f"{said}; lower max_samples, or raise the back end's limit")
        if answer.status // 100 == 4 and answer.status != 429:
            return Rejected(f"{said}; the back end will never take these samples, the next ones bring the totals")
        if answer.status // 100 == 3:
            return Retry(f"{said}; redirects are not followed: set url to where it points")
        return Retry(said, after_s)


def _said(answer: Answer) -> str:
    return shown(answer.body.decode(errors="replace").strip()) or "it says nothing more"
