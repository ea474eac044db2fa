"""`telemetry version`: which versions are at work."""

import json
import platform
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from typing import Annotated

import typer

__all__ = ["version"]

_PACKAGES = {"mesh-telemetry": "mesh-telemetry", "polars": "polars", "grpc": "grpcio", "pydantic": "pydantic"}


def version(*, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Print the versions of this program and of what it stands on."""
    versions = {name: _installed(package) for name, package in _PACKAGES.items()}
    versions["python"] = platform.python_version()
    text = json.dumps(versions) if as_json else "\n".join(f"{name} {number}" for name, number in versions.items())
    typer.echo(text)


def _installed(package: str) -> str:
    try:
        return version_of(package)
    except PackageNotFoundError:
        return "not installed"
