"""The classes of telemetry.adapter.v1, made from its descriptors when first asked for.

No generated modules: those would be tied to the protobuf that made them, and would register themselves in the process's
own pool, where whoever embeds us may have the same names.
"""

from functools import cache
from typing import Any

from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

from telemetry.descriptors import descriptors

__all__ = ["PACKAGE", "SERVICE", "method", "number", "of", "pool"]

PACKAGE = "telemetry.adapter.v1"
SERVICE = f"{PACKAGE}.Adapter"


def pool() -> DescriptorPool:
    """Give the descriptors, apart from the process's own."""
    return descriptors("telemetry.adapter_protocol", "adapter_v1.binpb.gz")


@cache
def of(name: str) -> Any:  # noqa: ANN401 - a class that is known at run time only
    """Give the class of a message, such as DescribeRequest."""
    return GetMessageClass(pool().FindMessageTypeByName(f"{PACKAGE}.{name}"))


def number(enum: str, name: str) -> int:
    """Give the number of an enum's value."""
    return int(pool().FindEnumTypeByName(f"{PACKAGE}.{enum}").values_by_name[name].number)


def method(name: str) -> str:
    """Give the path of a method, as gRPC calls it."""
    return f"/{SERVICE}/{name}"
