"""A real Prometheus that scrapes the service."""

from pathlib import Path

import httpx
import yaml

from telemetry.demo.binaries import prometheus_binary
from telemetry.demo.network import host_and_port, require_free
from telemetry.demo.processes import Process, answers

__all__ = ["prometheus"]


def prometheus(
    target: str, address: str, folder: Path, probe: httpx.AsyncClient, *, scrape_interval_s: int = 1
) -> Process:
    """Give a Prometheus, not yet started, that listens on `address` and scrapes `target`, both host:port.

    Its data and output go to `folder`, which must exist. Raises StartError when there is no binary, or the
    address is taken.
    """
    require_free(*host_and_port(address))
    configuration = folder / "prometheus.yml"
    configuration.write_text(
        yaml.safe_dump(
            {
                "global": {
                    "scrape_interval": f"{scrape_interval_s}s",
                    "scrape_timeout": f"{scrape_interval_s}s",
                },
                "scrape_configs": [
                    {"job_name": "mesh-telemetry", "static_configs": [{"targets": [target]}]},
                ],
            }
        )
    )
    command = (
        prometheus_binary(),
        f"--config.file={configuration}",
        f"--storage.tsdb.path={folder / 'prometheus'}",
        f"--web.listen-address={address}",
        "--storage.tsdb.retention.time=1h",
        "--enable-feature=exemplar-storage",
        "--log.level=warn",
    )
    ready_url = f"http://{address}/-/ready"
    return Process("Prometheus", command, folder / "prometheus.log", lambda: answers(probe, ready_url))
