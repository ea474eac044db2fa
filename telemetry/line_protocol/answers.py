"""What InfluxDB's answers to a write mean for the rows in it."""

import time
from typing import Any, NoReturn

import orjson

from telemetry.errors import Partial, Rejected, Retry, TooLarge
from telemetry.outgoing.answers import retry_after_s, shown
from telemetry.outgoing.http import Answer

__all__ = ["judge"]

_HINTS = {
    401: "are token, or username and password, right?",
    403: "may this token or user write there?",
    404: "is this the address, and has the database or bucket been created?",
    429: "InfluxDB asks for a pause",
    503: "InfluxDB asks for a pause",
}
_REFUSED = (400, 422)


def judge(answer: Answer, positions: list[int]) -> None:
    """Return when InfluxDB has the lines. `positions`: of the rows that the lines were made of.

    Raises Partial where it says which lines it left out, TooLarge where only fewer lines at a time can show which,
    Rejected for a line alone, Retry for all else.
    """
    if answer.status in (200, 204):
        return
    said = f"influxdb: HTTP {answer.status}: {shown(_message(answer)) or 'no reason'}"
    if answer.status == 413:
        raise TooLarge(f"{said}; lower max_lines")
    if answer.status not in _REFUSED:
        hint = _HINTS.get(answer.status, "is this InfluxDB, and is it well?")
        raise Retry(f"{said}; {hint}", after_s=retry_after_s(answer.headers.get("retry-after", ""), time.time()))
    _refused(said, _lines(answer), positions)


def _refused(said: str, lines: dict[int, str], positions: list[int]) -> NoReturn:
    if len(positions) == 1:
        raise Rejected(f"{said}; mend the database's schema or retention, or leave the field out")
    named = {positions[line - 1]: shown(reason) for line, reason in lines.items() if 0 < line <= len(positions)}
    if named:
        raise Partial(said, rejected=named)
    # It has written some of them, which is no harm: a line that comes again takes its own place.
    raise TooLarge(f"{said}; sent again in smaller parts to find the lines that it means")


def _json(answer: Answer) -> Any:  # noqa: ANN401 - whatever a stranger sends
    try:
        return orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return None


def _message(answer: Answer) -> str:
    content = _json(answer)
    if isinstance(content, dict):
        for name in ("error", "message"):
            if isinstance(content.get(name), str):
                return str(content[name])
    return answer.body[:1000].decode("utf-8", "replace")


def _lines(answer: Answer) -> dict[int, str]:
    """Give why lines were left out, by their number from 1 on, as v3 says it when it has written the others."""
    content = _json(answer)
    data = content.get("data") if isinstance(content, dict) else None
    if not isinstance(data, list) or not answer.whole:
        return {}
    return {
        one["line_number"]: str(one.get("error_message", "refused"))
        for one in data
        if isinstance(one, dict) and isinstance(one.get("line_number"), int)
    }
