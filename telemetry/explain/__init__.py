"""Explain: what becomes of an entry, attribute by attribute, rule by rule, and at each handler."""

from telemetry.explain.course import Course, course_of
from telemetry.explain.explaining import Explainer
from telemetry.explain.explanation import Elsewhere, Entry, Explained, Explanation, Point
from telemetry.explain.forms import EXPECTED, Unreadable, messages_of

__all__ = [
    "EXPECTED",
    "Course",
    "Elsewhere",
    "Entry",
    "Explained",
    "Explainer",
    "Explanation",
    "Point",
    "Unreadable",
    "course_of",
    "messages_of",
]
