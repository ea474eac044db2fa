"""Write the descriptors that reflection shows: run after Envoy's API has grown.

Those of access logs are xds-protos'; metrics, which it lacks, are described here.
"""

import gzip
from pathlib import Path

from envoy.service.accesslog.v3 import als_pb2
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

TARGET = Path(__file__).parent.parent / "telemetry" / "receivers" / "envoy_services.binpb.gz"

SCALARS = {"double": 1, "int64": 3, "uint64": 4, "string": 9, "uint32": 13, "sint32": 17, "sint64": 18}
METRIC_TYPES = ("COUNTER", "GAUGE", "SUMMARY", "UNTYPED", "HISTOGRAM", "GAUGE_HISTOGRAM")
PROMETHEUS = {
    "LabelPair": "string name 1, string value 2",
    "Gauge": "double value 1",
    "Counter": "double value 1",
    "Untyped": "double value 1",
    "Quantile": "double quantile 1, double value 2",
    "Summary": "uint64 sample_count 1, double sample_sum 2, repeated Quantile quantile 3",
    "Bucket": "uint64 cumulative_count 1, double upper_bound 2, double cumulative_count_float 4",
    "BucketSpan": "sint32 offset 1, uint32 length 2",
    "Histogram": "uint64 sample_count 1, double sample_sum 2, repeated Bucket bucket 3, double sample_count_float 4, "
    "sint32 schema 5, double zero_threshold 6, uint64 zero_count 7, double zero_count_float 8, "
    "repeated BucketSpan negative_span 9, repeated sint64 negative_delta 10, repeated double negative_count 11, "
    "repeated BucketSpan positive_span 12, repeated sint64 positive_delta 13, repeated double positive_count 14",
    "Metric": "repeated LabelPair label 1, Gauge gauge 2, Counter counter 3, Summary summary 4, Untyped untyped 5, "
    "int64 timestamp_ms 6, Histogram histogram 7",
    "MetricFamily": "string name 1, string help 2, MetricType type 3, repeated Metric metric 4, string unit 5",
}


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


def prometheus() -> FileDescriptorProto:
    """Describe io.prometheus.client: messages and the numbers of their fields."""
    file = FileDescriptorProto(
        name="io/prometheus/client/metrics.proto", package="io.prometheus.client", syntax="proto2"
    )
    kinds = file.enum_type.add(name="MetricType")
    for number, kind in enumerate(METRIC_TYPES):
        kinds.value.add(name=kind, number=number)
    for name, fields in PROMETHEUS.items():
        message = file.message_type.add(name=name)
        for text in fields.split(", "):
            kind, field, number = text.rsplit(" ", 2)
            repeated, kind = kind.startswith("repeated "), kind.removeprefix("repeated ")
            made = message.field.add(name=field, number=int(number), label=3 if repeated else 1)
            scalar = SCALARS.get(kind)
            made.type = scalar or (14 if kind == "MetricType" else 11)
            if scalar is None:
                made.type_name = f".{file.package}.{kind}"
    return file


def metrics_service() -> FileDescriptorProto:
    """Describe envoy.service.metrics.v3."""
    package = "envoy.service.metrics.v3"
    file = FileDescriptorProto(
        name="envoy/service/metrics/v3/metrics_service.proto", package=package, syntax="proto3",
        dependency=["envoy/config/core/v3/base.proto", "io/prometheus/client/metrics.proto"],
    )  # fmt: skip
    file.message_type.add(name="StreamMetricsResponse")
    message = file.message_type.add(name="StreamMetricsMessage")
    identifier = message.nested_type.add(name="Identifier")
    node, own = ".envoy.config.core.v3.Node", f".{package}.StreamMetricsMessage"
    identifier.field.add(name="node", number=1, label=1, type=11, type_name=node)
    message.field.add(name="identifier", number=1, label=1, type=11, type_name=f"{own}.Identifier")
    family = ".io.prometheus.client.MetricFamily"
    message.field.add(name="envoy_metrics", number=2, label=3, type=11, type_name=family)
    reply = f".{package}.StreamMetricsResponse"
    service = file.service.add(name="MetricsService")
    service.method.add(name="StreamMetrics", input_type=own, output_type=reply, client_streaming=True)
    return file


def main() -> None:
    """Write the set, compressed, without a time stamp: the same input gives the same bytes."""
    files: dict[str, FileDescriptorProto] = {}
    closure(als_pb2.DESCRIPTOR, files)
    for file in (prometheus(), metrics_service()):
        files[file.name] = file
    raw = FileDescriptorSet(file=files.values()).SerializeToString(deterministic=True)
    TARGET.write_bytes(gzip.compress(raw, mtime=0))
    print(f"{TARGET}: {len(files)} files, {len(raw)} bytes")


if __name__ == "__main__":
    main()
