"""What a path segment looks like: a word of the interface, or a value and of which kind."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import polars as pl

__all__ = ["KEYS", "PLACEHOLDERS", "VALUE", "WORD", "Kinds", "kinds"]

Kinds = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

PLACEHOLDERS = ("", "{id}", "{uuid}", "{date}", "{email}", "{hash}", "{ulid}", "{value}")
"""By kind: what stands in an operation for a segment of that kind; words stand for themselves."""

WORD, _ID, _UUID, _DATE, _EMAIL, _HASH, _ULID, VALUE = range(len(PLACEHOLDERS))

KEYS = np.array([0x9E3779B97F4A7C15 * (kind + 1) % 2**64 for kind in range(len(PLACEHOLDERS))], np.uint64)
"""By kind: what is hashed in place of a segment's text. That of words is unused."""

# All in the syntax of Rust's regex crate, where time is linear.
_DATE_FORM = r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[Tt_]|\z)"
_UUID_FORM = r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
_EMAIL_FORM = r"[^@](?:@|%(?:25)*40)[^@]"
_ULID_FORM = r"\A[0-7][0-9A-HJKMNP-TV-Zabcdefghjkmnp-tv-z]{25}\z"
# Four digits in a row, three runs of digits, a number behind 0x; and two runs where the text is long.
_MIXED_FORM = r"[0-9]{4}|[0-9][^0-9]+[0-9]+[^0-9]+[0-9]|\A0[xX][0-9a-fA-F]+\z"
_LONG_FORM = r"[0-9][^0-9]+[0-9]"

_UUID_BYTES, _ULID_BYTES, _DATE_BYTES, _HASH_BYTES, _HEX_ID_BYTES, _LONG_BYTES, _WORD_BYTES = 36, 26, 10, 32, 8, 20, 64

# The classes of bytes; what a segment is made of says most.
_DIGIT, _HEX, _LETTER, _MARK, _DASH, _AT, _PERCENT, _UNSAFE = (1 << bit for bit in range(8))
_MADE_OF = {
    _DIGIT: b"0123456789",
    _HEX: b"abcdefABCDEF",
    _LETTER: b"ghijklmnopqrstuvwxyzGHIJKLMNOPQRSTUVWXYZ~!$&'()*=",
    _MARK: b".,:_+",
    _DASH: b"-",
    _AT: b"@",
    _PERCENT: b"%",
}


def _classes() -> Kinds:
    table = np.full(256, _UNSAFE, np.uint8)
    for bit, characters in _MADE_OF.items():
        table[list(characters)] = bit
    return table


_CLASS = _classes().tobytes()


def kinds(segments: pl.Series) -> Kinds:
    """Give each segment (String, neither null nor empty) its kind: WORD or another index into PLACEHOLDERS."""
    found = np.zeros(len(segments), np.uint8)
    if found.size:
        lengths = segments.str.len_bytes().to_numpy()
        made_of = _made_of(segments, lengths)
        # Most are words: made of letters, and shorter than a UUID, which may be so too.
        doubtful = ((made_of & (_DIGIT | _AT | _PERCENT | _UNSAFE)) > 0) | (lengths >= _UUID_BYTES) | (made_of == _MARK)
        rows = np.flatnonzero(doubtful)
        found[rows] = _kinds(segments.gather(rows), made_of[rows], lengths[rows])
    return found


def _made_of(texts: pl.Series, lengths: npt.NDArray[np.uint32]) -> Kinds:
    """Give the classes of each text's bytes, as bits."""
    content = texts.str.join("").item().encode()
    starts = np.cumsum(lengths, dtype=np.int64) - lengths
    return np.bitwise_or.reduceat(np.frombuffer(content.translate(_CLASS), np.uint8), starts)


def _kinds(texts: pl.Series, made_of: Kinds, lengths: npt.NDArray[np.uint32]) -> Kinds:
    found = np.zeros(len(texts), np.uint8)
    for kind, may_be, form in _candidates(made_of, lengths):
        rows = np.flatnonzero(may_be & (found == WORD))
        if form and rows.size:
            rows = rows[texts.gather(rows).str.contains(form).to_numpy()]
        found[rows] = kind
    return found


def _candidates(made_of: Kinds, lengths: npt.NDArray[np.uint32]) -> Iterator[tuple[int, Mask, str]]:
    """Give kinds in the order in which they are tried: which texts may be it, and the form they must have, if any."""

    def only(bits: int) -> Mask:
        mask: Mask = (made_of & (0xFF ^ bits)) == 0
        return mask

    digits = (made_of & _DIGIT) > 0
    numeric = digits & only(_DIGIT | _MARK)
    yield _ID, numeric, ""
    yield _HASH, (lengths >= _HASH_BYTES) & only(_DIGIT | _HEX), ""
    yield _ID, digits & (lengths >= _HEX_ID_BYTES) & only(_DIGIT | _HEX), ""
    dashed = (made_of & _DASH) > 0
    yield _DATE, digits & dashed & (lengths >= _DATE_BYTES), _DATE_FORM
    yield _UUID, dashed & (lengths >= _UUID_BYTES), _UUID_FORM
    yield _ID, digits & only(_DIGIT | _MARK | _DASH), ""
    yield _EMAIL, (made_of & (_AT | _PERCENT)) > 0, _EMAIL_FORM
    # Not safe to show, or not worth it: other scripts, control characters, percent-escapes, dots alone, the very long.
    yield VALUE, ((made_of & (_UNSAFE | _PERCENT)) > 0) | (made_of == _MARK) | (lengths > _WORD_BYTES), ""
    yield _ULID, digits & (lengths == _ULID_BYTES), _ULID_FORM
    yield _ID, digits, _MIXED_FORM
    yield _ID, digits & (lengths >= _LONG_BYTES), _LONG_FORM
