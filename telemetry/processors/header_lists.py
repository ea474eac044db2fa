"""Redaction of header lists: entries by their names, secrets in their values."""

import re
from collections import Counter
from fnmatch import translate

import polars as pl

from telemetry.attributes import STRING_MAP
from telemetry.processors.concealment import Action, Concealment
from telemetry.processors.redaction_config import HeaderRules
from telemetry.processors.secrets_in_text import SecretsInText

__all__ = ["HeaderLists"]


class HeaderLists:
    """Redacts lists of header names and values. `counts` is added to: how many `header`s were redacted by name."""

    def __init__(
        self, rules: HeaderRules, secrets: SecretsInText, concealment: Concealment, *, counts: Counter[str]
    ) -> None:
        self._allowed = None if rules.allow is None else _any_of(rules.allow)
        self._denied = _any_of((*rules.deny, *rules.also_deny))
        self._action = rules.action
        self._secrets = secrets
        self._concealment = concealment
        self._counts = counts

    def redact(self, lists: pl.Series) -> pl.Series:
        """Give the lists (STRING_MAP) redacted; the very same series when nothing had to be."""
        if lists.null_count() == len(lists):
            return lists
        headers = _headers(lists)
        keys = headers["key"].unique()
        denied = keys.filter([self._is_denied(key) for key in keys.to_list()])
        is_denied = headers["key"].is_in(denied.implode())
        self._counts["header"] += int(is_denied.sum())
        before = headers["value"]
        values = self._secrets.conceal(before)
        if denied.is_empty() and values is before:
            return lists
        return _lists(self._concealed(headers, is_denied, values), lists)

    def _is_denied(self, key: str | None) -> bool:
        name = (key or "").lower()
        return (self._allowed is not None and not self._allowed.match(name)) or bool(self._denied.match(name))

    def _concealed(self, headers: pl.DataFrame, is_denied: pl.Series, values: pl.Series) -> pl.DataFrame:
        if self._action is Action.DROP:
            return headers.with_columns(values).filter(~is_denied)
        secrets = headers["value"].filter(is_denied).drop_nulls().unique()
        whole = headers["value"].replace(secrets, self._concealment.of(secrets.to_list(), self._action, "header"))
        return headers.with_columns(pl.when(is_denied).then(whole).otherwise(values).alias("value"))


def _any_of(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(translate(pattern.lower()) for pattern in patterns) or r"(?!)")


def _headers(lists: pl.Series) -> pl.DataFrame:
    """Columns: row, key, value; a row of its own for each header."""
    frame = pl.DataFrame({"row": pl.int_range(len(lists), eager=True), "header": lists})
    exploded = frame.filter(lists.list.len() > 0).explode("header")
    return exploded.unnest("header")


def _lists(headers: pl.DataFrame, before: pl.Series) -> pl.Series:
    """Put the headers back into one list for each row; null where none is left."""
    header = pl.struct("key", "value").alias("list")
    lists = headers.group_by("row", maintain_order=True).agg(header)
    rows = pl.DataFrame({"row": pl.int_range(len(before), eager=True)})
    joined = rows.join(lists, on="row", how="left", maintain_order="left")
    return joined["list"].cast(STRING_MAP).alias(before.name)
