"""Labels of metrics as an operator writes them: their names, and the expressions that give their values."""

from collections.abc import Callable
from typing import Annotated

from pydantic import AfterValidator, StringConstraints
from pydantic_core import PydanticCustomError

from telemetry.config.rules import refuse
from telemetry.exposition import LABEL_NAME
from telemetry.expressions import ExpressionError
from telemetry.processors.metric_labels import label_of

__all__ = ["MAX_LABELS", "LabelName", "LabelValue", "compiled"]

MAX_LABELS = 64


def compiled(compiler: Callable[[str], object]) -> AfterValidator:
    """Check an expression by compiling it; its fault is shown with a caret."""

    def check(text: str) -> str:
        try:
            compiler(text)
        except ExpressionError as error:
            raise PydanticCustomError("expression", "{fault}", {"fault": str(error)}) from None
        return text

    return AfterValidator(check)


def _label_name(name: str) -> str:
    if not LABEL_NAME.fullmatch(name) or name == "le":
        raise refuse(f"{name!r} can't be a label: letters, digits and _, no digit first, no leading __, and not le")
    return name


LabelName = Annotated[str, StringConstraints(max_length=128), AfterValidator(_label_name)]
LabelValue = Annotated[str, compiled(label_of)]
