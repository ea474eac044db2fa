"""Where the real servers' binaries are found."""

import os
import shutil
from pathlib import Path

import telemetry
from telemetry.errors import StartError

__all__ = ["binary", "envoy_binary", "prometheus_binary", "prometheus_installed"]

_TOOLS = Path(telemetry.__file__).resolve().parents[1] / ".tools" / "bin"


def envoy_binary() -> Path:
    """Give Envoy's path. Raises StartError when there is none."""
    return binary("envoy", "TELEMETRY_ENVOY")


def prometheus_installed() -> bool:
    """Tell whether there is a Prometheus. Raises StartError when the environment names one that isn't."""
    return _find("prometheus", "TELEMETRY_PROMETHEUS") is not None


def prometheus_binary() -> Path:
    """Give Prometheus' path. Raises StartError when there is none."""
    return binary("prometheus", "TELEMETRY_PROMETHEUS")


def binary(name: str, variable: str) -> Path:
    """Give the path in the environment variable, else in `.tools/bin` beside the package, else on PATH.

    Raises StartError when none of them is an executable file.
    """
    found = _find(name, variable)
    if found is None:
        raise StartError(
            f"demo: no {name} in {_TOOLS} and none on PATH; run `make tools`, or set {variable} to its path"
        )
    return found


def _find(name: str, variable: str) -> Path | None:
    if path := os.environ.get(variable):
        if os.access(path, os.X_OK):
            return Path(path)
        raise StartError(f"demo: {variable}={path} is not an executable file; unset it or correct it")
    found = shutil.which(name, path=str(_TOOLS)) or shutil.which(name)
    return Path(found) if found else None
