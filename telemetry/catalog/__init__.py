"""The service catalog: what people know of their services and no Envoy says."""

from telemetry.catalog.catalog import Catalog
from telemetry.catalog.index import Index
from telemetry.catalog.loading import load, parse
from telemetry.catalog.model import (
    Capacity,
    CatalogFile,
    Contacts,
    Latency,
    Objectives,
    OperationRule,
    Service,
)

__all__ = [
    "Capacity",
    "Catalog",
    "CatalogFile",
    "Contacts",
    "Index",
    "Latency",
    "Objectives",
    "OperationRule",
    "Service",
    "load",
    "parse",
]
