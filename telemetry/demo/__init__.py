"""A service mesh of real Envoys on loopback, to show and to test Mesh Telemetry with."""
