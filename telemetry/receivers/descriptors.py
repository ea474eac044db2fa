"""The descriptors of Envoy's services, for reflection: kept apart from the process's own pool."""

import gzip
from functools import cache
from importlib.resources import files

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

__all__ = ["pool"]


@cache
def pool() -> DescriptorPool:
    """Give a pool with Envoy's services, health and reflection.

    Not the default pool: whoever embeds us may have loaded Envoy's classes, and two definitions of one name clash.
    """
    made = DescriptorPool()
    raw = gzip.decompress(files("telemetry.receivers").joinpath("envoy_services.binpb.gz").read_bytes())
    for file in FileDescriptorSet.FromString(raw).file:
        made.Add(file)
    for module in (health_pb2, reflection_pb2):
        made.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
    return made
