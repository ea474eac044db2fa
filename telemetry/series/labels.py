"""Each distinct label set once: its number, and its text as the exposition formats write it."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from hashlib import blake2b
from itertools import repeat

import numpy as np
import polars as pl
from numpy.typing import NDArray

from telemetry.exposition import LABEL_NAME, escaped

__all__ = ["NONE", "OVERFLOW", "OVERFLOW_TEXT", "LabelSets", "label_fault", "label_texts"]

NONE = 0
"""The number that no label set has."""
OVERFLOW = 1
"""The number of the label set into which the excess is folded; the label is OpenTelemetry's convention."""
OVERFLOW_TEXT = b'otel_metric_overflow="true"'

MAX_TEXT_BYTES = 16 * 1024
"""A longer label set is folded: 25 labels of a mesh take about 1 KiB, and memory must have a bound."""

_KEYS_PER_SET = 8
"""Receivers hash with seeds of their own; beyond so many names for each label set the names are forgotten."""

_SPECIAL = r'[\\"\n]'


@lru_cache(maxsize=1024)
def label_fault(names: tuple[str, ...]) -> str | None:
    """Say what is wrong with these label names, or None. Prometheus keeps `__…` to itself, histograms `le`."""
    bad = [name for name in names if not LABEL_NAME.fullmatch(name) or name == "le"]
    return f"label names {bad} are not allowed; use letters, digits and _, no leading __, and not le" if bad else None


def label_texts(labels: pl.Series) -> pl.DataFrame:
    """Write label sets (a struct of Strings with valid names; null is "") as `a="x",b=""`, sorted by name.

    Columns: `text`, Binary; `identity`, Binary: the same without empty values, which Prometheus takes for absent.
    """
    frame = labels.struct.unnest().select(pl.all().fill_null(""))
    names = sorted(frame.columns)
    if not names:
        return pl.DataFrame({"text": [b""] * len(labels), "identity": [b""] * len(labels)})
    hostile = frame.select(pl.all().str.contains(_SPECIAL).any()).row(0, named=True)
    frame = frame.with_columns(escaped(pl.col(name)) for name in names if hostile[name])
    cells = [pl.format('{}="{}"', pl.lit(name), pl.col(name)) for name in names]
    filled = [pl.when(pl.col(name) != "").then(cell) for name, cell in zip(names, cells, strict=True)]
    return frame.select(
        text=pl.concat_str(cells, separator=",").cast(pl.Binary),
        identity=pl.concat_str(filled, separator=",", ignore_nulls=True).cast(pl.Binary),
    )


def _period(keys: NDArray[np.uint64]) -> int:
    """Give the length after which the keys repeat: mostly, a batch's metrics have the same label sets in order."""
    again = np.flatnonzero(keys == keys[0])
    period = int(again[1]) if len(again) > 1 else len(keys)
    whole = len(keys) % period == 0 and bool((keys.reshape(-1, period) == keys[:period]).all())
    return period if whole else len(keys)


class LabelSets:
    """Numbers label sets from 2 up. Numbers whose last user has gone are used again.

    A label set has several keys: the `series` hashes of all receivers and epochs that sent it.
    """

    def __init__(self) -> None:
        self._texts: list[bytes] = [b"", OVERFLOW_TEXT]
        self._digests: list[bytes] = [b"", b""]
        self._users = np.zeros(1024, np.int32)
        self._numbers: dict[bytes, int] = {}
        self._keys: dict[int, int] = {}
        self._free: list[int] = []
        self._text_bytes = 0

    def __len__(self) -> int:
        """How many label sets there are."""
        return len(self._numbers)

    @property
    def mean_bytes(self) -> int:
        """How long a text is on average."""
        return self._text_bytes // max(len(self), 1)

    def texts(self, numbers: NDArray[np.int32]) -> list[bytes]:
        """Give the texts of these label sets."""
        return list(map(self._texts.__getitem__, numbers.tolist()))

    def numbers(self, series: pl.Series) -> NDArray[np.int32]:
        """Give the number of each known key, NONE for the others."""
        keys = series.to_numpy()
        distinct = keys[: _period(keys)].tolist()
        numbers = np.fromiter(map(self._keys.get, distinct, repeat(NONE)), np.int32, len(distinct))
        return np.tile(numbers, len(keys) // max(len(distinct), 1))

    def learn(self, series: pl.Series, labels: pl.Series, room: int) -> list[int]:
        """Give numbers to the label sets behind these keys, at most `room` of them newly; return the new ones.

        Those for which there is no room, or whose text is too long, stay unknown.
        """
        if len(self._keys) > _KEYS_PER_SET * (len(self) + len(series)):
            self._keys.clear()
        created: list[int] = []
        for key, text, identity in zip(series.to_list(), *label_texts(labels).get_columns(), strict=True):
            digest = blake2b(identity, digest_size=16).digest()
            number = self._numbers.get(digest, NONE)
            if number == NONE and len(created) < room and len(text) <= MAX_TEXT_BYTES:
                number = self._create(text, digest)
                created.append(number)
            if number != NONE:
                self._keys[key] = number
        return created

    def _create(self, text: bytes, digest: bytes) -> int:
        self._text_bytes += len(text)
        if self._free:
            number = self._free.pop()
            self._texts[number], self._digests[number] = text, digest
        else:
            number = len(self._texts)
            self._texts.append(text)
            self._digests.append(digest)
        if number >= len(self._users):
            self._users = np.concatenate([self._users, np.zeros_like(self._users)])
        self._numbers[digest] = number
        return number

    def use(self, numbers: NDArray[np.int32]) -> None:
        """Count one more user of each of these distinct numbers."""
        self._users[numbers] += 1

    def release(self, numbers: Iterable[NDArray[np.int32]]) -> None:
        """Count one user less for each number in each array of distinct numbers; forget what nobody uses."""
        touched = list(numbers)
        for array in touched:
            self._users[array] -= 1
        self.forget_unused(np.unique(np.concatenate(touched)).tolist() if touched else ())

    def forget_unused(self, numbers: Sequence[int]) -> None:
        """Forget those of these distinct numbers that have no user."""
        gone = {number for number in numbers if number > OVERFLOW and not self._users[number]}
        for number in gone:
            del self._numbers[self._digests[number]]
            self._text_bytes -= len(self._texts[number])
            self._texts[number] = self._digests[number] = b""
            self._free.append(number)
        if gone:
            self._keys = {key: number for key, number in self._keys.items() if number not in gone}
