"""The classes of telemetry.adapter.v1, made from its descriptors when first asked for.

No generated modules: those would be tied to the protobuf that made them, and would register themselves in the process's
own pool, where whoever embeds us may have the same names.
"""

import gzip
from functools import cache
from importlib.resources import files
from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

__all__ = ["PACKAGE", "SERVICE", "method", "number", "of", "pool"]

PACKAGE = "telemetry.adapter.v1"
SERVICE = f"{PACKAGE}.Adapter"


@cache
def pool() -> DescriptorPool:
    """Give the descriptors, apart from the process's own."""
    packed = files("telemetry.adapter_protocol").joinpath("adapter_v1.binpb.gz").read_bytes()
    made = DescriptorPool()
    for file in FileDescriptorSet.FromString(gzip.decompress(packed)).file:
        made.Add(file)
    return made


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
