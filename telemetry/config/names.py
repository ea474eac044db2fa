"""Names in a configuration: checked against a pattern, and none of them twice."""

import re

from pydantic import AfterValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

__all__ = ["distinct", "named"]


def distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse a list that has a name twice."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise PydanticCustomError("twice", "lists {names} twice", {"names": ", ".join(twice)})
    return names


def named(pattern: str, otherwise: str) -> tuple[AfterValidator, WithJsonSchema]:
    """Check names against a pattern that no message needs to show."""

    def check(name: str) -> str:
        if not re.fullmatch(pattern, name):
            raise PydanticCustomError("name", "{otherwise}", {"otherwise": otherwise})
        return name

    return AfterValidator(check), WithJsonSchema({"type": "string", "pattern": f"^{pattern}$"})
