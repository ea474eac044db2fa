"""Our side of proto/telemetry/adapter/v1: adapters that are programs of their own, in any language."""
