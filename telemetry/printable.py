"""Text that is safe to print: what a terminal would obey is made visible."""

import re

__all__ = ["printable"]

# Controls (C0 without tab, DEL, C1), line separators, and the marks that reorder text to deceive a reader.
_UNSAFE = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_UNSAFE_BUT_NEWLINE = re.compile(_UNSAFE.pattern.replace("\x0a", "\x0b", 1))


def printable(text: str, *, keep_newlines: bool = False) -> str:
    """Give the text with each unsafe character as its Python escape."""
    pattern = _UNSAFE_BUT_NEWLINE if keep_newlines else _UNSAFE
    return pattern.sub(lambda match: match[0].encode("unicode_escape", "surrogatepass").decode(), text)
