"""Our own protobuf schemas, as they lie packed beside the code that speaks them."""

import gzip
from functools import cache
from importlib.resources import files

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool

__all__ = ["descriptors"]


@cache
def descriptors(room: str, name: str) -> DescriptorPool:
    """Give the descriptors of a file in a room's folder, apart from the process's own: others may have the same."""
    packed = files(room).joinpath(name).read_bytes()
    pool = DescriptorPool()
    for file in FileDescriptorSet.FromString(gzip.decompress(packed)).file:
        pool.Add(file)
    return pool
