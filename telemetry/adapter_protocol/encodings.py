"""A batch as the protocol's message, its rows in one of three encodings."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO

import polars as pl

from telemetry.adapter_protocol.messages import number, of
from telemetry.batch import Batch
from telemetry.json_lines import JsonLines
from telemetry.kafka_records.protobuf import entries, together
from telemetry.wire import varint

__all__ = ["ENCODINGS", "Encoded", "Encoder"]

ENCODINGS = ("arrow", "json_lines", "protobuf")
"""Names of the encodings, in the case of options."""

_BATCH, _ROWS = 2, 7
_ENVELOPE_BYTES = 64


@dataclass(frozen=True, slots=True)
class Encoded:
    """A batch's message without its id: what stands before its rows, and they, which are megabytes and copied once."""

    head: bytes
    rows: bytes

    @property
    def size_bytes(self) -> int:
        """How long the request becomes, generously."""
        return len(self.head) + len(self.rows) + _ENVELOPE_BYTES

    def request(self, number: int, timeout_ms: int) -> bytes:
        """Give the whole telemetry.adapter.v1.ExportRequest."""
        own = of("Batch")(id=number, timeout_ms=timeout_ms).SerializeToString()
        before_rows = varint(_ROWS << 3 | 2) + varint(len(self.rows))
        length = len(own) + len(self.head) + len(before_rows) + len(self.rows)
        return b"".join([varint(_BATCH << 3 | 2), varint(length), own, self.head, before_rows, self.rows])


class Encoder:
    """Encodes batches. Not for several threads at once."""

    def __init__(self) -> None:
        lines = JsonLines()
        self._rows: Mapping[str, Callable[[Batch], bytes]] = {
            "arrow": _arrow,
            "json_lines": lambda batch: b"".join(lines.lines(batch)),
            "protobuf": lambda batch: together(entries(batch)),
        }

    def encode(self, batch: Batch, encoding: str) -> Encoded:
        """Give the batch in that encoding."""
        head = of("Batch")(
            template=number("Template", batch.template.name),
            receiver=batch.receiver,
            epoch=batch.epoch,
            sequence=batch.sequence,
            row_numbers=batch.row_numbers.to_list(),
        )
        return Encoded(head.SerializeToString(), self._rows[encoding](batch))


def _arrow(batch: Batch) -> bytes:
    stream = BytesIO()
    # Views of strings are newer than most languages' Arrow.
    batch.rows.write_ipc_stream(stream, compat_level=pl.CompatLevel.oldest())
    return stream.getvalue()
