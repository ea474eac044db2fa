"""Takes tags out of a stat's dotted name, as Envoy does: each by a pattern of its own."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Labels", "Rule", "extract", "rule", "token"]

Labels = tuple[tuple[str, str], ...]
"""Names and values."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One tag: group 1 of the pattern leaves the name; the first group behind it, or else group 1, is the value.

    `hint` stands in every name that the pattern matches: looking for it is the cheaper question.
    """

    tag: str
    pattern: re.Pattern[str]
    hint: str


def rule(tag: str, pattern: str, hint: str = "") -> Rule:
    """Make a rule of a regular expression."""
    return Rule(tag, re.compile(pattern, re.ASCII), hint)


def token(tag: str, path: str) -> Rule:
    """Make a rule of Envoy's own notation: `$` the token taken, `*` any token, `**` any rest."""
    head, _, _ = path.partition("$")
    start = re.escape(head).replace(r"\*", r"[^.]+")
    return rule(tag, rf"^{start}(([^.]+)\.).", max(head.split("*"), key=len))


def extract(name: str, rules: Iterable[Rule]) -> tuple[str, Labels]:
    """Give what is left of the name, and the tags. A tag is taken once; one without a value is none.

    Every rule sees the whole name; what they take is cut out at the end.
    """
    tags: dict[str, str] = {}
    cuts: list[tuple[int, int]] = []
    for each in rules:
        if each.tag in tags or each.hint not in name or (match := each.pattern.search(name)) is None:
            continue
        cuts.append(match.span(1))
        value = next((group for group in match.groups()[1:] if group is not None), "")
        if value:
            tags[each.tag] = value
    return _without(name, cuts), tuple(tags.items())


def _without(name: str, cuts: Iterable[tuple[int, int]]) -> str:
    kept, at = "", 0
    for start, end in sorted(cuts):
        kept += name[at:start]
        at = max(at, end)
    return kept + name[at:]
