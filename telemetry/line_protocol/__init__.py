"""InfluxDB's line protocol: batches as lines, by columns, and what can be set of it."""
