"""Rows that a sink will never take: files that one can read and replay."""

from telemetry.dead_letters.file import DeadLetter, Unreadable, read
from telemetry.dead_letters.folder import DeadLetters, Kept

__all__ = ["DeadLetter", "DeadLetters", "Kept", "Unreadable", "read"]
