"""Write the descriptors of proto/telemetry/adapter/v1/adapter.proto: run after it has changed. Needs grpcio-tools."""

import gzip
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from grpc_tools import protoc

ROOT = Path(__file__).parent.parent
PROTO = ROOT / "proto" / "telemetry" / "adapter" / "v1" / "adapter.proto"
DESCRIPTORS = ROOT / "telemetry" / "adapter_protocol" / "adapter_v1.binpb.gz"


def descriptors() -> bytes:
    """Compile the file; compressed without a time stamp, so that the same input gives the same bytes."""
    with TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        if protoc.main(["protoc", f"-I{ROOT / 'proto'}", f"--descriptor_set_out={out}", str(PROTO)]):
            sys.exit("protoc failed")
        return gzip.compress(out.read_bytes(), mtime=0)


if __name__ == "__main__":
    DESCRIPTORS.write_bytes(descriptors())
    print(DESCRIPTORS)
