"""The notation for what Envoy calls a typed config."""

from typing import Any

__all__ = ["Json", "named", "socket_address", "typed"]

Json = dict[str, Any]


def typed(type_name: str, **fields: Any) -> Json:  # noqa: ANN401 - any JSON value
    """Give a message with its type, as in `Any`'s JSON form; `type_name` without the common `envoy.`."""
    return {"@type": f"type.googleapis.com/envoy.{type_name}", **fields}


def named(name: str, type_name: str, **fields: Any) -> Json:  # noqa: ANN401 - any JSON value
    """Give an extension's entry: its name and its typed config."""
    return {"name": name, "typed_config": typed(type_name, **fields)}


def socket_address(address: str, port: int) -> Json:
    """Give a `core.v3.Address`."""
    return {"socket_address": {"address": address, "port_value": port}}
