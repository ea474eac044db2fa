"""Redaction: what must not be stored leaves the entries before anything stores them."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import ClassVar

import polars as pl

from telemetry.attributes import STRING_MAP
from telemetry.batch import SCHEMAS, Batch, Template
from telemetry.processors.concealment import Action, Concealment
from telemetry.processors.header_lists import HeaderLists
from telemetry.processors.redaction_config import RedactionConfig
from telemetry.processors.secrets_in_text import PATTERNS, Pattern, SecretsInText

__all__ = ["Redaction"]

_SCHEMA = SCHEMAS[Template.LOGENTRY]
_TEXTS = ("request.useragent", "request.referer")
# A parameter's name; one that is longer, or of other characters, may be a secret itself.
_PARAMETER = r"[?&][\w.-]{1,40}="


class Redaction:
    """Conceals in LOGENTRY batches what their clients would not have stored; other batches pass unchanged.

    Query strings and fragments of request.path and request.referer; headers by name; secrets by their form in path,
    referer, user agent and header values; attributes by name. It is idempotent. `counts` says how much was concealed,
    by rule (`query`, `header`, `attribute`, and the names of the patterns); who takes another's place goes on with its.
    """

    Config: ClassVar[type[RedactionConfig]] = RedactionConfig

    fails_closed = True
    keeps_context = True

    def __init__(self, config: RedactionConfig, *, counts: Counter[str] | None = None) -> None:
        self._config = config
        concealment = Concealment(config.hash_key.get_secret_value().encode() if config.hash_key else b"")
        custom = [Pattern(name, regex) for name, regex in config.custom.items()]
        self._counts: Counter[str] = Counter() if counts is None else counts
        self._secrets = SecretsInText(config.patterns, concealment, (*PATTERNS, *custom), counts=self._counts)
        self._headers = HeaderLists(config.headers, self._secrets, concealment, counts=self._counts)
        self._concealment = concealment
        self._published: Mapping[str, int] = {}
        self._denied = config.denied_attributes()

    @property
    def counts(self) -> Mapping[str, int]:
        """How many were concealed so far, by rule; may be read from any thread."""
        return self._published

    @property
    def reads(self) -> Collection[str]:
        """All that it may have to conceal."""
        return _SCHEMA

    def process(self, batch: Batch) -> Iterable[Batch]:
        """Give the batch without its secrets."""
        if batch.template is not Template.LOGENTRY or batch.rows.is_empty():
            return (batch,)
        rows = self._without_denied(batch.rows)
        columns = [*self._paths(rows), *self._texts(rows)]
        lists = self._redacted_lists(rows)
        columns += lists
        # A new object each time: others read it while we count on.
        self._published = +self._counts
        # What is found in one text is concealed in all of the batch: in another, the same labels may stay as they are.
        known = batch.by_context.without({values.name for values in lists}) if batch.by_context else None
        return (replace(batch, rows=rows.with_columns(columns), by_context=known),)

    def flush(self, now_ns: int) -> Iterable[Batch]:
        """Nothing is held back."""
        return ()

    def _redacted_lists(self, rows: pl.DataFrame) -> list[pl.Series]:
        """Give those lists of names and values in which something was concealed."""
        before = [rows[name] for name, dtype in _SCHEMA.items() if dtype == STRING_MAP]
        after = [self._headers.redact(lists) for lists in before]
        return [new for new, old in zip(after, before, strict=True) if new is not old]

    def _without_denied(self, rows: pl.DataFrame) -> pl.DataFrame:
        columns = [self._attribute(rows[name], action) for name, action in self._denied.items()]
        return rows.with_columns(columns)

    def _attribute(self, values: pl.Series, action: Action) -> pl.Series:
        held = len(values) - values.null_count()
        self._counts["attribute"] += held
        if not held or action is Action.DROP or values.dtype != pl.String:
            return pl.Series(values.name, [None], dtype=values.dtype).new_from_index(0, len(values))
        distinct = values.drop_nulls().unique()
        return values.replace(distinct, self._concealment.of(distinct.to_list(), action, values.name))

    def _paths(self, rows: pl.DataFrame) -> list[pl.Series]:
        """Give request.path and request.url_path; they share their memory where queries are dropped."""
        whole = rows["request.path"]
        url = self._secrets.conceal(self._without_tail(rows["request.url_path"]))
        if self._config.query is Action.DROP:
            dropped = whole.str.len_bytes() != rows["request.url_path"].str.len_bytes()
            self._counts["query"] += int(dropped.sum())
            held = whole.is_not_null().all() or whole.is_null().equals(url.is_null())
            path = url if held else pl.select(pl.when(whole.is_not_null()).then(url)).to_series()
            return [path.alias("request.path"), url]
        return [self._secrets.conceal(self._masked_query(whole)), url]

    def _texts(self, rows: pl.DataFrame) -> list[pl.Series]:
        useragent, referer = (rows[name] for name in _TEXTS)
        return [self._secrets.conceal(useragent), self._secrets.conceal(self._referer(referer))]

    def _referer(self, referer: pl.Series) -> pl.Series:
        if referer.null_count() == len(referer) or self._config.query is not Action.DROP:
            return self._masked_query(referer)
        cut = self._without_tail(referer)
        self._counts["query"] += int((cut.str.len_bytes() != referer.str.len_bytes()).sum())
        return cut

    @staticmethod
    def _without_tail(urls: pl.Series) -> pl.Series:
        """Cut query and fragment off."""
        return urls.str.replace(r"(?s)[?#].*", "") if urls.str.contains("[?#]").any() else urls

    def _masked_query(self, urls: pl.Series) -> pl.Series:
        """Keep the names of parameters; their values, what has no name, and fragments go."""
        has_tail = urls.str.contains("[?#]")
        if self._config.query is not Action.MASK or not has_tail.any():
            return urls
        self._counts["query"] += int(has_tail.sum())
        tail = urls.str.extract(r"(?s)(\?.*)").fill_null("").str.extract_all(_PARAMETER)
        names = tail.list.join("[redacted]")
        masked = pl.when(names != "").then(names + "[redacted]").otherwise(pl.lit(""))
        return pl.select((urls.str.replace(r"(?s)[?#].*", "") + masked).alias(urls.name)).to_series()
