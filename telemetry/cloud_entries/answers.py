"""What Cloud Logging's answer means for each entry: written, later, never, or too much at a time.

https://cloud.google.com/logging/docs/reference/v2/rpc/google.logging.v2 (WriteLogEntriesPartialErrors) and
https://cloud.google.com/logging/quotas. Only what is listed here as permanent costs rows.
"""

import grpc
from google.cloud.logging_v2.types import WriteLogEntriesPartialErrors
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from telemetry.errors import ExportError, Partial, Rejected, Retry, TooLarge
from telemetry.outgoing.answers import LONGEST_PAUSE_S, shown

__all__ = ["STRANGER", "failure", "status_of"]

_CODE = grpc.StatusCode
_QUOTA_PAUSE_S = 5.0
"""Quotas are by the minute: where the answer doesn't say when, there is no use in trying at once."""

# Of one entry. What else an entry's status says may be the operator's to mend, or pass.
_PERMANENT = {_CODE.INVALID_ARGUMENT.value[0]}
STRANGER = "what answers is not Cloud Logging; check the option endpoint"
_OPERATOR = {
    _CODE.UNAUTHENTICATED: "Google does not accept our credentials; check service_account, or the application default "
    "credentials of this machine",
    _CODE.PERMISSION_DENIED: "these credentials may not write to the project: they need the role "
    "roles/logging.logWriter, and the project the Cloud Logging API switched on",
    _CODE.NOT_FOUND: "there is no such project; check the option project",
    _CODE.UNIMPLEMENTED: STRANGER,
}

_Partial = WriteLogEntriesPartialErrors.pb()


def status_of(error: grpc.RpcError) -> Status:
    """Read the trailer grpc-status-details-bin; an empty Status where there is none that can be read."""
    for key, value in getattr(error, "trailing_metadata", tuple)() or ():
        if key == "grpc-status-details-bin" and isinstance(value, bytes):
            try:
                return Status.FromString(value)
            except DecodeError:
                break
    return Status()


def failure(code: grpc.StatusCode, details: str, status: Status, positions: list[int]) -> ExportError:
    """Judge a failed request; `positions`: which row of the batch each of its entries is."""
    said = f"cloud_logging: {code.name}: {shown(details)}"
    after_s = _retry_s(status)
    if code is _CODE.RESOURCE_EXHAUSTED:
        if "larger than max" in details:
            # Our own limit on answers speaks likewise.
            return (
                Retry(f"{said}; {STRANGER}") if "CLIENT:" in details else TooLarge(f"{said}; it takes less at a time")
            )
        return Retry(f"{said}; a quota of the project is used up", _QUOTA_PAUSE_S if after_s is None else after_s)
    if partial := _partial(said, status, positions, after_s):
        return partial
    if code is _CODE.INVALID_ARGUMENT:
        return Rejected(f"{said}: Cloud Logging finds the request malformed")
    return Retry(f"{said}; {_OPERATOR[code]}" if code in _OPERATOR else said, after_s)


def _partial(said: str, status: Status, positions: list[int], after_s: float | None) -> Partial | None:
    """Read which entries were not written; None where the answer does not say so, or names what was not sent."""
    errors = _entry_errors(status)
    if not errors or not all(0 <= at < len(positions) for at in errors):
        return None
    rejected = {
        positions[at]: shown(f"{one.message or 'Cloud Logging does not say why'} (code {one.code})")
        for at, one in errors.items()
        if one.code in _PERMANENT
    }
    return Partial(
        f"{said}; {len(errors)} of {len(positions)} entries were not written",
        retry=[positions[at] for at, one in errors.items() if one.code not in _PERMANENT],
        rejected=rejected,
        after_s=after_s,
    )


def _entry_errors(status: Status) -> dict[int, Status]:
    found = _Partial()
    for detail in status.details:
        try:
            if detail.Is(_Partial.DESCRIPTOR) and detail.Unpack(found):
                return dict(found.log_entry_errors)
        except DecodeError:
            return {}
    return {}


def _retry_s(status: Status) -> float | None:
    info = RetryInfo()
    for detail in status.details:
        try:
            if detail.Is(RetryInfo.DESCRIPTOR) and detail.Unpack(info):
                seconds = info.retry_delay.seconds + info.retry_delay.nanos / 1e9
                return float(min(max(0.0, seconds), LONGEST_PAUSE_S))
        except DecodeError:
            return None
    return None
