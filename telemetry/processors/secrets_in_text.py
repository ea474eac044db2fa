"""Secrets inside texts: found by their form, concealed in place, once per distinct text."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from telemetry.processors.cards import CARD_HINT, cards_in
from telemetry.processors.concealment import Action, Concealment

__all__ = ["CARD", "PATTERNS", "Pattern", "SecretsInText"]

CARD = "card"
# Concealing one secret may bare another's edge; texts made to go on for ever are cut short here.
_PASSES = 8


@dataclass(frozen=True, slots=True)
class Pattern:
    """One kind of secret, in the syntax of Rust's regex crate.

    `hint` matches every text that `regex` matches, and is cheap to look for; without it, `regex` is. What group
    `kept` of `regex` matches, in front of the secret, stays when masked.
    """

    name: str
    regex: str
    hint: str = ""
    kept: bool = False


_KEYS = "|".join((
    r"(?:AKIA|ASIA)[0-9A-Z]{16}",
    r"gh[pousr]_[A-Za-z0-9]{20,}",
    r"github_pat_\w{20,}",
    r"glpat-[\w-]{16,}",
    r"xox[abeoprs]-[\w-]{10,}",
    r"[sr]k_(?:live|test)_\w{10,}",
    r"AIza[\w-]{30,}",
    r"ya29\.[\w-]{16,}",
    r"SG\.[\w-]{16,}\.[\w-]{16,}",
    r"sk-(?:proj-|ant-|svcacct-)[\w-]{16,}",
    r"sk-[A-Za-z0-9]{20,}",
    r"npm_[A-Za-z0-9]{30,}",
    r"pypi-[\w-]{30,}",
    r"hvs\.[\w-]{16,}",
    r"-----BEGIN [A-Z ]*PRIVATE KEY.*",
))  # fmt: skip
_KEY_HINT = (
    r"AKIA|ASIA|gh[pousr]_|github_pat_|glpat-|xox[abeoprs]-|[sr]k_(?:live|test)_|AIza|ya29\.|SG\.|sk-|npm_|pypi-"
    r"|hvs\.|PRIVATE KEY"
)
_NAMED = (
    r"(?:token|secret|passw(?:or)?d|pwd|api[_-]?key|access[_-]?key|session(?:[_-]?id)?|sid|signature|authorization)"
)

PATTERNS: tuple[Pattern, ...] = (
    Pattern("userinfo", r"(://)[^/?#@\s\[\]]+@", hint="://", kept=True),
    Pattern("jwt", r"eyJ[\w-]{4,}\.[\w-]{4,}(?:\.[\w-]*){0,3}", hint="eyJ"),
    Pattern("bearer", r"(?i)bearer(?:\s|%20|%3A|[+:=])+[\w.~+/=-]{6,}", hint="(?i:bearer)"),
    Pattern("key", _KEYS, hint=_KEY_HINT),
    Pattern("assigned", rf"(?i)([\w.-]*{_NAMED}(?:=|%3D))[^&;,\s/?#\[\]]+", hint="(?i:=|%3D)", kept=True),
    # Local part and domain in any script; `@` also encoded, once or more often.
    Pattern(
        "email",
        r"[^\s@/?#&=:;,<>()\[\]\x22|]+(?:@|%(?:25)*40)[\w-]+(?:\.[\w-]+)*\.(?:\p{L}{2,}|xn--[\w-]+)",
        hint="@|%(?:25)*40",
    ),
    Pattern(CARD, "", hint=CARD_HINT),
)
"""What is looked for by default, in this order."""


class SecretsInText:
    """Conceals what looks like a secret.

    `actions`: what is done about each pattern, by name; those not named are masked. `counts` is added to: how many were
    concealed, by name of the pattern: one for each occurrence in each text.
    """

    def __init__(
        self,
        actions: Mapping[str, Action],
        concealment: Concealment,
        patterns: Sequence[Pattern] = PATTERNS,
        *,
        counts: Counter[str],
    ) -> None:
        wanted = [(pattern, actions.get(pattern.name, Action.MASK)) for pattern in patterns]
        self._steps = [(pattern, action) for pattern, action in wanted if action is not Action.KEEP]
        self._hint = "|".join(f"(?:{pattern.hint or pattern.regex})" for pattern, _ in self._steps)
        self._concealment = concealment
        self._counts = counts

    def conceal(self, texts: pl.Series) -> pl.Series:
        """Give the texts (String) with their secrets concealed; the very same series when there are none."""
        if not self._steps or texts.null_count() == len(texts):
            return texts
        distinct = texts.value_counts(name="n")
        suspects = distinct.filter(distinct.to_series(0).str.contains(self._hint))
        if suspects.is_empty():
            return texts
        old = suspects.to_series(0)
        new = self._settle(old, suspects["n"])
        changed = old != new
        return texts.replace(old.filter(changed), new.filter(changed)) if changed.any() else texts

    def _settle(self, texts: pl.Series, weights: pl.Series) -> pl.Series:
        """Conceal until nothing changes. What still changes after the last pass is hostile, and masked whole."""
        for _ in range(_PASSES):
            before = texts
            for pattern, action in self._steps:
                texts = self._step(texts, weights, pattern, action)
            if (before == texts).all():
                return texts
        masked = pl.select(pl.when(before == texts).then(texts).otherwise(pl.lit("[redacted]"))).to_series()
        return masked.alias(texts.name)

    def _step(self, texts: pl.Series, weights: pl.Series, pattern: Pattern, action: Action) -> pl.Series:
        hinted = texts.str.contains(pattern.hint or pattern.regex)
        if not hinted.any():
            return texts
        if pattern.name == CARD:
            return self._replace(texts, weights, CARD, action, cards_in(texts.filter(hinted)))
        found = texts.str.count_matches(pattern.regex)
        if not found.sum():
            return texts
        if action is Action.HASH:
            secrets = texts.str.extract_all(pattern.regex).explode(empty_as_null=False).drop_nulls().unique()
            return self._replace(texts, weights, pattern.name, action, secrets)
        self._counts[pattern.name] += int((found * weights).sum())
        mask = self._concealment.of([""], action, pattern.name)[0]
        return texts.str.replace_all(pattern.regex, f"${{1}}{mask}" if pattern.kept and mask else mask)

    def _replace(
        self, texts: pl.Series, weights: pl.Series, name: str, action: Action, secrets: pl.Series
    ) -> pl.Series:
        if secrets.is_empty():
            return texts
        # The longest first, so that of two that begin together none leaves its end behind.
        ordered = sorted(secrets.to_list(), key=len, reverse=True)
        found = texts.str.extract_many(ordered, leftmost=True).list.len()
        self._counts[name] += int((found * weights).sum())
        return texts.str.replace_many(ordered, self._concealment.of(ordered, action, name), leftmost=True)
