"""Every naming style and its cases."""

from collections.abc import Mapping
from pathlib import Path

from tests.captures import consul, istio, others
from tests.captures.cases import Case

__all__ = ["FOLDER", "STYLES"]

FOLDER = Path(__file__).parent / "data"
STYLES: Mapping[str, tuple[Case, ...]] = {
    "istio": istio.CASES,
    "consul": consul.CASES,
    "envoy_gateway": others.ENVOY_GATEWAY,
    "kuma": others.KUMA,
    "app_mesh": others.APP_MESH,
    "traffic_director": others.TRAFFIC_DIRECTOR,
    "plain": others.PLAIN,
}
