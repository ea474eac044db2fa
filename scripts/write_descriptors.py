"""Write the descriptors that reflection shows, from xds-protos' classes: run after Envoy's API has grown."""

import gzip
from pathlib import Path

from envoy.service.accesslog.v3 import als_pb2
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

TARGET = Path(__file__).parent.parent / "telemetry" / "receivers" / "envoy_services.binpb.gz"


def closure(file: FileDescriptor, seen: dict[str, FileDescriptorProto]) -> None:
    """Add a file after the files that it imports."""
    if file.name in seen:
        return
    for imported in file.dependencies:
        closure(imported, seen)
    proto = FileDescriptorProto()
    file.CopyToProto(proto)
    proto.ClearField("source_code_info")
    seen[file.name] = proto


def main() -> None:
    """Write the set, compressed, without a time stamp: the same input gives the same bytes."""
    files: dict[str, FileDescriptorProto] = {}
    closure(als_pb2.DESCRIPTOR, files)
    raw = FileDescriptorSet(file=files.values()).SerializeToString(deterministic=True)
    TARGET.write_bytes(gzip.compress(raw, mtime=0))
    print(f"{TARGET}: {len(files)} files, {len(raw)} bytes")


if __name__ == "__main__":
    main()
