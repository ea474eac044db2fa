"""The names of operations: each a small number, and no more of them for a service than granted."""

import polars as pl

__all__ = ["MAX_NAME", "NONE", "OTHER", "Grants", "Names"]

MAX_NAME = 256
"""No operation's name is longer, in characters."""

NONE, OTHER = 0, 1
"""The numbers of no operation, and of `{other}`."""


class Names:
    """Numbers for names, the same name always the same."""

    def __init__(self) -> None:
        self._numbers = {"{other}": OTHER}
        self._table = pl.Series([None, "{other}"], dtype=pl.String)

    def __len__(self) -> int:
        return len(self._numbers)

    def number(self, name: str) -> int:
        """Give a name its number."""
        number = self._numbers.get(name)
        if number is None:
            number = self._numbers[name] = len(self._table)
            self._table.append(pl.Series([name], dtype=pl.String))
        return number

    def series(self) -> pl.Series:
        """Give the names by number, null for NONE."""
        if self._table.n_chunks() > 1:
            self._table = self._table.rechunk()
        return self._table


class Grants:
    """How many names one service may still have.

    `limit`: names in all, but for declared ones, which the operator bounds. A quarter of them is kept for templates,
    so that words which turn out to be values can't use up what their template will need.
    """

    def __init__(self, names: Names, limit: int) -> None:
        self._names = names
        self._granted: dict[str, int] = {}
        self._limits = (limit - limit // 4, limit)

    def __len__(self) -> int:
        return len(self._granted)

    def grant(self, name: str) -> int:
        """Give the name's number; OTHER when the service has names enough."""
        number = self._granted.get(name)
        if number is not None:
            return number
        if len(self._granted) >= self._limits["{" in name]:
            return OTHER
        number = self._granted[name] = self._names.number(name)
        return number
