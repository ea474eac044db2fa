"""What somebody wants to see of the live rows: checked before the first one comes."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from telemetry.batch import SCHEMAS, Template
from telemetry.expressions import VOCABULARIES, compile  # noqa: A004 - the verb of that room

__all__ = ["MAX_ROWS_PER_S", "View", "view_of"]

MAX_ROWS_PER_S = 10_000.0
"""Nobody reads faster, and encoding more would be felt."""


@dataclass(frozen=True, slots=True)
class View:
    """Rows of one template that match; `columns`: all where empty; `limit`: null for no end."""

    template: Template = Template.LOGENTRY
    match: str = "true"
    columns: tuple[str, ...] = ()
    limit: int | None = None
    rows_per_s: float = 100.0


def view_of(
    template: Template, match: str, columns: Sequence[str] = (), limit: int | None = None, rows_per_s: float = 100.0
) -> View:
    """Check and give a view. Raises ExpressionError for the match, ValueError for a column that rows don't have."""
    text = match if match.strip() else "true"
    compile(text, VOCABULARIES[template])
    for name in columns:
        if name not in SCHEMAS[template]:
            near = get_close_matches(name, SCHEMAS[template], 1)
            hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(SCHEMAS[template])}"
            raise ValueError(f"{template} has no column {name[:80]}; {hint}")
    return View(template, text, tuple(dict.fromkeys(columns)), limit, rows_per_s)
