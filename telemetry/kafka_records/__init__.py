"""What stands in Kafka's records: entries as Avro, JSON, protobuf or Arrow, of bounded size, each with its identity."""
