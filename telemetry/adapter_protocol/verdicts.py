"""What a program's result of a batch means; what it says is a stranger's."""

from collections.abc import Collection
from typing import Any

import grpc

from telemetry.errors import ExportError, Partial, Rejected, Retry, TooLarge
from telemetry.outgoing.answers import LONGEST_PAUSE_S, shown

__all__ = ["Said", "failed_call", "verdict"]


class Said:
    """Makes what a program says fit for our messages: short, harmless, without the secrets that we told it."""

    def __init__(self, secrets: Collection[str]) -> None:
        self._secrets = sorted(filter(None, secrets), key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """Give the text; "it does not say why" for none."""
        for secret in self._secrets:
            text = text.replace(secret, "******")
        return shown(text) or "it does not say why"


def verdict(response: Any, rows: int, said: Said) -> ExportError | None:  # noqa: ANN401 - known at run time only
    """Judge the result of a batch of so many rows; None: it has all of them. Nonsense means Retry."""
    outcome = response.WhichOneof("outcome")
    if outcome == "ok":
        return None
    if outcome == "retry":
        return Retry(f"grpc: not now: {said(response.retry.message)}", _after_s(response.retry.after_ms))
    if outcome == "rejected":
        return Rejected(f"grpc: the adapter refuses the batch: {said(response.rejected.message)}")
    if outcome == "too_large":
        return TooLarge(f"grpc: the adapter takes less at a time: {said(response.too_large.message)}")
    if outcome == "partial":
        return _partial(response.partial, rows, said)
    return Retry("grpc: the adapter gave a result without an outcome; it may speak a newer protocol")


def _partial(partial: Any, rows: int, said: Said) -> ExportError:  # noqa: ANN401 - likewise
    retry, rejected = set(partial.retry_positions), {at: said(why) for at, why in partial.rejected.items()}
    named = retry | rejected.keys()
    if not named or retry & rejected.keys() or max(named) >= rows:
        return Retry(f"grpc: the adapter's partial result makes no sense of {rows} rows: {said(partial.message)}")
    message = f"grpc: {len(named)} of {rows} rows are not there: {said(partial.message)}"
    return Partial(message, retry=retry, rejected=rejected, after_s=_after_s(partial.after_ms))


def _after_s(after_ms: int) -> float | None:
    return min(after_ms / 1000, LONGEST_PAUSE_S) if after_ms else None


_ADVICE = {
    grpc.StatusCode.UNIMPLEMENTED: "what answers is not telemetry.adapter.v1.Adapter; check the address",
    grpc.StatusCode.UNAUTHENTICATED: "it does not accept our certificate",
    grpc.StatusCode.PERMISSION_DENIED: "it does not allow it to our certificate",
    grpc.StatusCode.UNAVAILABLE: "is the adapter's program up, is this its address, and do the certificates fit?",
}


def failed_call(doing: str, code: grpc.StatusCode, details: str, said: Said) -> Retry:
    """Give what a call that failed means: later, for a program that is gone comes again."""
    advice = f"; {_ADVICE[code]}" if code in _ADVICE else ""
    return Retry(f"grpc: {doing}: {code.name}: {said(details)}{advice}")
