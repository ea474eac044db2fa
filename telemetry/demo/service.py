"""Our own service as a child process, with a configuration made for the demo."""

import sys
from pathlib import Path

import httpx
import yaml

from telemetry.demo.mesh import python_environment
from telemetry.demo.network import host_and_port, require_free
from telemetry.demo.processes import Process, answers

__all__ = ["service"]


def service(als_address: str, http_address: str, folder: Path, probe: httpx.AsyncClient) -> Process:
    """Give `telemetry serve`, not yet started; both addresses are host:port, the output goes to `folder`.

    Raises StartError when an address is taken.
    """
    require_free(*host_and_port(als_address))
    require_free(*host_and_port(http_address))
    configuration = folder / "telemetry.yaml"
    configuration.write_text(
        yaml.safe_dump(
            {
                "receiver": {"grpc": {"address": als_address}},
                "http": {"address": http_address},
                "handlers": {"prometheus": {"adapter": "prometheus"}},
            },
            sort_keys=False,
        )
    )
    command = (sys.executable, "-m", "telemetry", "serve", "-c", configuration)
    ready_url = f"http://{http_address}/readyz"
    return Process(
        "telemetry serve",
        command,
        folder / "telemetry.log",
        lambda: answers(probe, ready_url),
        environment=python_environment(),
    )
