"""Ask a running service's API, and say what to do when it doesn't answer."""

import re
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from telemetry.printable import printable

__all__ = ["AsJson", "Url", "Window", "ask", "ask_text", "show_json"]

_TIMEOUT_S = 30.0
_FAILED = 1

Url = Annotated[str, typer.Option("--url", help="The running service.", envvar="TELEMETRY_URL")]
Window = Annotated[str, typer.Option("--window", help="How long back: 10m, 1h, 7d.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the API's answer.")]


def ask(url: str, path: str, query: Mapping[str, object]) -> dict[str, Any]:
    """Give the answer. Ends the command with exit code 1, and a sentence, when there is none."""
    import orjson  # noqa: PLC0415 - not for every command

    text = ask_text(url, path, query)
    try:
        answer = orjson.loads(text)
    except orjson.JSONDecodeError:
        answer = None
    if not isinstance(answer, dict):
        raise _failed(f"{url} did not answer as Mesh Telemetry does; is it another program's address?")
    return answer


def ask_text(url: str, path: str, query: Mapping[str, object]) -> str:
    """Give the answer's text."""
    import httpx  # noqa: PLC0415 - takes a while to import

    given: dict[str, Any] = {name: value for name, value in query.items() if value not in (None, [], ())}
    try:
        response = httpx.get(url.rstrip("/") + path, params=given, timeout=_TIMEOUT_S, trust_env=False)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise _failed(f"{url} can't be asked ({error}); is `telemetry serve` running there? See --url") from None
    if response.status_code != httpx.codes.OK:
        raise _failed(_problem(response.text) or f"{url} answered {response.status_code}")
    return response.text


def _problem(text: str) -> str | None:
    found = re.search(r'"detail":"((?:[^"\\]|\\.)*)"', text)
    return found[1] if found else None


def _failed(sentence: str) -> typer.Exit:
    typer.echo(f"telemetry: {printable(sentence)}", err=True)
    return typer.Exit(_FAILED)


def show_json(answer: Mapping[str, Any]) -> None:
    """Print an answer."""
    import orjson  # noqa: PLC0415

    typer.echo(orjson.dumps(answer, option=orjson.OPT_INDENT_2).decode())
