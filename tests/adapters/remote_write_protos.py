"""The messages of Prometheus remote write, 1.0 and 2.0, for tests to decode what was sent.

As published: prompb/types.proto, prompb/remote.proto, prompb/io/prometheus/write/v2/types.proto (Prometheus v3.8).
"""

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

# message: field number, name, type; `*` repeated, `+` of a oneof (which here only means: it knows presence).
HISTOGRAM = """1 count_int +uint64, 3 sum double, 4 schema sint32, 5 zero_threshold double, 6 zero_count_int +uint64,
    8 negative_spans *BucketSpan, 9 negative_deltas *sint64, 11 positive_spans *BucketSpan, 12 positive_deltas *sint64,
    15 timestamp int64, 16 custom_values *double"""
V1 = {
    "Label": "1 name string, 2 value string",
    "BucketSpan": "1 offset sint32, 2 length uint32",
    "Sample": "1 value double, 2 timestamp int64",
    "Exemplar": "1 labels *Label, 2 value double, 3 timestamp int64",
    "Histogram": HISTOGRAM,
    "TimeSeries": "1 labels *Label, 2 samples *Sample, 3 exemplars *Exemplar, 4 histograms *Histogram",
    "WriteRequest": "1 timeseries *TimeSeries",
}
V2 = {
    "BucketSpan": V1["BucketSpan"],
    "Sample": "1 value double, 2 timestamp int64, 3 start_timestamp int64",
    "Exemplar": "1 labels_refs *uint32, 2 value double, 3 timestamp int64",
    "Histogram": f"{HISTOGRAM}, 17 start_timestamp int64",
    "Metadata": "1 type int32, 3 help_ref uint32, 4 unit_ref uint32",
    "TimeSeries": "1 labels_refs *uint32, 2 samples *Sample, 3 histograms *Histogram, 4 exemplars *Exemplar, "
    "5 metadata Metadata",
    "Request": "4 symbols *string, 5 timeseries *TimeSeries",
}


def _classes(package: str, messages: dict[str, str]):
    file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto3")
    for name, fields in messages.items():
        message = file.message_type.add(name=name)
        for text in fields.split(","):
            number, field, kind = text.split()
            added = message.field.add(name=field, number=int(number), label=3 if kind[0] == "*" else 1)
            kind = kind.lstrip("*+")
            if kind in messages:
                added.type, added.type_name = added.TYPE_MESSAGE, f".{package}.{kind}"
            else:
                added.type = getattr(added, f"TYPE_{kind.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}")) for name in messages}


WriteRequest = _classes("prometheus", V1)["WriteRequest"]
Request = _classes("io.prometheus.write.v2", V2)["Request"]
