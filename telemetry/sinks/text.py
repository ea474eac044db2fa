"""Generated configuration as text: values as YAML, what to do with them as comments."""

from typing import Any

import yaml

__all__ = ["comment", "document"]


def comment(text: str) -> str:
    """Give the text as comment lines of YAML or HCL."""
    return "".join(f"# {line}".rstrip() + "\n" for line in text.splitlines())


def document(remark: str, value: dict[str, Any]) -> str:
    """Give a YAML document with its remark above."""
    return comment(remark) + yaml.safe_dump(value, sort_keys=False, width=120, allow_unicode=False)
