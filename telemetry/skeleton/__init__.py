"""The package that `telemetry new adapter` begins, as files with placeholders."""

from importlib.resources import files
from string import Template

__all__ = ["files_of"]

_FILES = {
    "pyproject.toml": "pyproject.toml.txt",
    "README.md": "README.md.txt",
    "telemetry_{name}/__init__.py": "adapter.py.txt",
    "tests/test_{name}.py": "test_adapter.py.txt",
}


def files_of(name: str) -> dict[str, str]:
    """Give the files, by their path in the package, for an adapter of that name (a lower-case identifier)."""
    words = {"name": name, "cls": name.title().replace("_", ""), "dashed": name.replace("_", "-")}
    return {
        path.format(name=name): Template((files(__package__) / source).read_text()).substitute(words)
        for path, source in _FILES.items()
    }
