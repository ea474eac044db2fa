"""What OpenTelemetry calls things: our attributes under the names of its semantic conventions."""
