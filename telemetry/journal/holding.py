"""What a batch takes of our memory: small ones far more than their rows do."""

from telemetry.batch import Batch, Template

__all__ = ["held_bytes"]

# Measured with Polars 2.1: a frame of one row and 145 columns takes 80 KB, though its values are 1.6 KB.
_COLUMN_BYTES = 550
# Entries also hold on to the decoder's Arrow arrays: 147 KB more in a batch of 144 columns, however few its rows.
_ENTRY_COLUMN_BYTES = 1_600


def held_bytes(batch: Batch) -> int:
    """Give the size of its rows, and of what each column needs however short it is."""
    column_bytes = _ENTRY_COLUMN_BYTES if batch.template is Template.LOGENTRY else _COLUMN_BYTES
    return batch.size_bytes + column_bytes * batch.rows.width
