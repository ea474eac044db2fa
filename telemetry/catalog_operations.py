"""Operations as the service catalog has them now: its OpenAPI documents, its rules."""

import secrets
from collections.abc import Collection, Iterable

import structlog

from telemetry.batch import Batch
from telemetry.catalog import Catalog
from telemetry.errors import ConfigError
from telemetry.operations.openapi import Document, load_document
from telemetry.operations.settings import OperationRule, OperationsSettings
from telemetry.processors.operations import Operations

__all__ = ["CatalogOperations"]

log = structlog.get_logger(__name__)


class CatalogOperations:
    """Fills request.operation. When the catalog has changed, what was learned of paths is learned anew.

    Rules of the settings come before the catalog's. A document that can't be used is logged once, with its faults; its
    service's operations are then learned.
    """

    keeps_context = True

    def __init__(self, settings: OperationsSettings, catalog: Catalog) -> None:
        self._settings = settings
        self._catalog = catalog
        self._generation = catalog.generation
        self._operations = self._made()

    @property
    def reads(self) -> Collection[str]:
        """What operations are told by."""
        return self._operations.reads

    def process(self, batch: Batch) -> Iterable[Batch]:
        """Give the batch with its operations."""
        if self._catalog.generation != self._generation:
            self._generation = self._catalog.generation
            self._operations = self._made()
        return self._operations.process(batch)

    def flush(self, now_ns: int) -> Iterable[Batch]:
        """Nothing is held back."""
        return self._operations.flush(now_ns)

    def _made(self) -> Operations:
        settings = self._settings.model_copy(update={"rules": (*self._settings.rules, *self._rules())})
        return Operations(settings, self._document, seed=secrets.randbits(64))

    def _rules(self) -> Iterable[OperationRule]:
        for service in self._catalog.services:
            for host in service.hosts if service.operations else ():
                for rule in service.operations:
                    yield OperationRule(
                        service=host, methods=rule.methods, regex=rule.regex, glob=rule.path, operation=rule.name
                    )

    def _document(self, host: str) -> Document | None:
        service = self._catalog.service_of_host(host)
        if service is None or service.openapi is None:
            return None
        try:
            return load_document(service.openapi)
        except ConfigError as error:
            log.error(
                "an OpenAPI document can't be used", service=service.name, faults=[str(one) for one in error.faults]
            )
            return None
