"""Payment card numbers in texts: digits of a card's form whose check digit is right."""

import numpy as np
import polars as pl

__all__ = ["CARD_HINT", "cards_in"]

CARD_HINT = r"[0-9](?:(?:[ .+-]|%20)?[0-9]){12}"
"""Matches every text with a card in it, and few others."""

# What can't be part of a card, but stands close to it. Letters beyond f show that the digits are no piece of a hash.
_BESIDE = r"_|[A-Fa-f]*[G-Zg-z][A-Za-z]*"
_ENCODED_SPACE = "\x01"
_SEPARATOR = r"[ .+\x01-]"
# Whole, or in the groups that are printed on cards: 4-4-4-4(-3), 4-6-5 (American Express), 4-6-4 (Diners Club).
_CANDIDATE = (
    rf"(?-u:\b)(?:[2-6][0-9]{{12,18}}|[2-6][0-9]{{3}}(?:{_SEPARATOR}[0-9]{{4}}){{2}}{_SEPARATOR}[0-9]{{1,4}}"
    rf"(?:{_SEPARATOR}[0-9]{{3}})?|3[0-9]{{3}}{_SEPARATOR}[0-9]{{6}}{_SEPARATOR}[0-9]{{4,5}})(?-u:\b)"
)
# Prefixes (ISO/IEC 7812) and lengths of Visa, Mastercard, American Express, Diners Club, JCB, Discover, UnionPay and
# Maestro.
_ISSUED = (
    r"^(?:4[0-9]{12}(?:[0-9]{3}){0,2}|5[1-5][0-9]{14}|2[2-7][0-9]{14}|3[47][0-9]{13}|3[0689][0-9]{12}(?:[0-9]{2,5})?"
    r"|35[0-9]{14}|6[0-9]{15,18}|5[06-9][0-9]{14,17})$"
)
_DIGITS = 19


def cards_in(texts: pl.Series) -> pl.Series:
    """Give the distinct card numbers of all texts, as they are written there."""
    freed = (
        texts.str.replace_all("%20", _ENCODED_SPACE, literal=True)
        .str.replace_all(r"%[0-9A-Fa-f]{2}", "/")
        .str.replace_all(_BESIDE, "/")
    )
    candidates = freed.str.extract_all(_CANDIDATE).explode(empty_as_null=False).drop_nulls().unique()
    digits = candidates.str.replace_all("[^0-9]", "")
    found = candidates.filter(digits.str.contains(_ISSUED) & _check_digit_is_right(digits))
    return found.str.replace_all(_ENCODED_SPACE, "%20", literal=True)


def _check_digit_is_right(digits: pl.Series) -> pl.Series:
    """Luhn's formula (ISO/IEC 7812-1, annex B) for each text of at most 19 digits."""
    padded = "".join(digits.str.pad_start(_DIGITS, "0").to_list())
    table = np.frombuffer(padded.encode(), dtype=np.uint8).reshape(-1, _DIGITS) - ord("0")
    # Every second digit from the right, the check digit left out, is doubled and its digits are added.
    doubled = table[:, _DIGITS - 2 :: -2] * 2
    sums = table[:, ::-2].sum(axis=1) + (doubled - 9 * (doubled > 9)).sum(axis=1)
    return pl.Series(sums % 10 == 0, dtype=pl.Boolean)
