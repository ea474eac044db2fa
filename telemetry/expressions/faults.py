"""What an expression's author is told: the text, a caret under the fault, what to write instead."""

from telemetry.errors import TelemetryError

__all__ = ["ExpressionError"]


class ExpressionError(TelemetryError):
    """The expression can't be used. `position` is the fault's offset in `text`, in characters from 0.

    `str()` shows the faulty line with a caret; `message` and `hint` stand alone for a caller that has
    its own way to show a place.
    """

    def __init__(self, text: str, position: int, message: str, hint: str = "") -> None:
        self.text, self.position, self.message, self.hint = text, min(position, len(text)), message, hint
        super().__init__(f"{message}\n{self._pointed()}" + (f"\n{hint}" if hint else ""))

    def _pointed(self) -> str:
        start = self.text.rfind("\n", 0, self.position) + 1
        line = self.text[start:].partition("\n")[0]
        # A tab or a control character would move the caret, or the terminal's cursor.
        shown = "".join(character if character.isprintable() else " " for character in line)
        return f"  {shown}\n  {' ' * (self.position - start)}^"
