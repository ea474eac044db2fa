"""What a rule fits: the templates that its `match` can be asked of, and the handlers that accept any of those."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from telemetry.batch import Template
from telemetry.config.handlers import DEFAULT_HANDLERS
from telemetry.expressions import VOCABULARIES, ExpressionError, compile  # noqa: A004 - the verb of that room

__all__ = ["Accepted", "accepted_templates", "misfits", "starving", "templates_of"]

Accepted = Mapping[str, frozenset[Template]]
"""What each handler accepts, by its name."""

_UNKNOWN = "there is no attribute"


def accepted_templates(document: object, adapters: Mapping[str, Any]) -> Accepted | None:
    """Give what each handler in a file accepts, of one whose adapter can't be used every template.

    None when there is nothing that could be taken for handlers.
    """
    handlers = document.get("handlers", DEFAULT_HANDLERS) if isinstance(document, Mapping) else None
    if not isinstance(handlers, Mapping):
        return None
    return {name: _accepts(section, adapters) for name, section in handlers.items()}


def _accepts(section: object, adapters: Mapping[str, Any]) -> frozenset[Template]:
    name = section.get("adapter") if isinstance(section, Mapping) else None
    if not isinstance(section, Mapping) or not isinstance(name, str) or name not in adapters:
        return frozenset(Template)
    try:
        adapter = adapters[name]
    except ImportError:  # which is a fault of its own
        return frozenset(Template)
    return _chosen(section, adapter) or frozenset(adapter.accepts)


def _chosen(section: Mapping[Any, object], adapter: Any) -> frozenset[Template]:  # noqa: ANN401 - the adapter's class
    """Give what the handler's option `templates` names; nothing where there is none, or it is wrong."""
    option = adapter.Config.model_fields.get("templates")
    if option is None:
        return frozenset()
    named = section.get("templates", option.get_default(call_default_factory=True))
    return frozenset(each for each in Template if isinstance(named, list | tuple) and each in named)


def templates_of(match: str, among: Collection[Template]) -> frozenset[Template]:
    """Give the templates whose rows `match` can be asked of. Raises ExpressionError when there are none."""
    fitting, faults = _judged(match, among)
    if faults and not fitting:
        raise faults[_meant(faults)]
    return fitting


def misfits(match: str, written: Collection[Template], about: Collection[Template], taken: Accepted) -> Iterator[str]:
    """Say which of the templates `written` the match can't be asked of, or which handler accepts nothing of it.

    `about`: the templates that the rule may be about; `taken`: what its handlers accept.
    """
    for template, fault in _judged(match, written)[1].items():
        yield f"{_rows_of(template)}: {fault}"
    among = {each for each in about if any(each in templates for templates in taken.values())} or about
    fitting, faults = _judged(match, among)
    if faults and not fitting:
        template = _meant(faults)
        yield f"{_rows_of(template)}: {faults[template]}"
        return
    for name in starving(fitting, taken):
        yield f"handler {name} accepts {', '.join(sorted(taken[name]))}; this is about {', '.join(sorted(fitting))}"


def starving(fitting: frozenset[Template], taken: Accepted) -> list[str]:
    """Name the handlers that accept none of those templates."""
    return [name for name, templates in taken.items() if not templates & fitting]


def _judged(match: str, among: Collection[Template]) -> tuple[frozenset[Template], Mapping[Template, ExpressionError]]:
    """Give the templates that `match` can be asked of, and what is wrong for the others."""
    faults: dict[Template, ExpressionError] = {}
    asked = [template for template in Template if template in among]
    for template in asked:
        try:
            compile(match, VOCABULARIES[template])
        except ExpressionError as fault:
            faults[template] = fault
    return frozenset(asked) - faults.keys(), faults


def _meant(faults: Mapping[Template, ExpressionError]) -> Template:
    """Give the template that was probably meant: it knows the names, or else most was understood before its fault."""
    return max(faults, key=lambda each: (not faults[each].message.startswith(_UNKNOWN), faults[each].position))


def _rows_of(template: Template) -> str:
    sums = "metric, whose rows are sums: they have metric, kind, unit and labels; a metric's own match sees requests"
    return f"in rows of {sums if template is Template.METRIC else template}"
