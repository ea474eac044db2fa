"""Mesh Telemetry: the telemetry pipeline for every Envoy mesh."""
