"""Prometheus keeps the contract of all adapters; its back end is its own memory, seen through the page."""

from collections import Counter
from collections.abc import Hashable, Iterable

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from telemetry.adapters.prometheus import Prometheus
from telemetry.batch import Template
from telemetry.testing import AdapterContract, Behaviour, Feature, megabytes

MEMORY = "the totals are in this process's memory"


class Page:
    """The pages of all adapters made, added up as a Prometheus that scraped each would."""

    def __init__(self) -> None:
        self.adapters: list[Prometheus] = []

    async def behave(self, behaviour: Behaviour) -> None:
        assert behaviour is Behaviour.WORK

    async def taken(self) -> Iterable[str]:
        counts: Counter[str] = Counter()
        for adapter in self.adapters:
            text = b"".join(adapter.exposition(openmetrics=True)).decode() + "# EOF\n"
            for family in text_string_to_metric_families(text):
                for sample in family.samples:
                    if "mark" in sample.labels and not sample.name.endswith(("_bucket", "_sum", "_created")):
                        counts[sample.labels["mark"]] += int(sample.value)
        return counts.elements()

    async def identities(self) -> Iterable[Hashable]:
        raise NotImplementedError


class TestPrometheus(AdapterContract):
    adapter_class = Prometheus
    huge_rows = 2_000  # prometheus-client reads 50,000 samples a second
    cannot = {  # noqa: RUF012 - declared once, never changed
        **{behaviour: MEMORY for behaviour in Behaviour if behaviour not in {Behaviour.WORK, Behaviour.REJECT}},
        Behaviour.REJECT: "it depends on the rows alone (test_prometheus.py)",
        Feature.IDENTITY: "totals keep no rows; the service gives each batch once while the process lives",
    }

    @pytest.fixture
    def sink(self) -> Page:
        return Page()

    def make(self, sink: Page) -> Prometheus:
        adapter = Prometheus(Prometheus.Config())
        sink.adapters.append(adapter)
        return adapter

    async def test_a_text_of_a_megabyte_arrives_or_is_refused_for_good(self, sink: Page, template: Template) -> None:
        """Neither: beyond 16 KiB a label set is folded into the overflow series, where its count is kept."""
        async with self.entered(sink) as adapter:
            await adapter.export(megabytes(template))
            text = b"".join(adapter.exposition(openmetrics=False)).decode()
        assert 'istio_request_duration_milliseconds_count{otel_metric_overflow="true"} 1\n' in text
        assert set(await sink.taken()) == {"1-0", "1-2"}
