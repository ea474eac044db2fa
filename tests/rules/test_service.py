"""Metrics of requests where nobody takes entries: they show no more than entries would."""

from tests.service.running import Envoy, running, samples, settings, until
from tests.wire import inbound, message, node

METRICS = [
    {
        "name": "asked_total",
        "dimensions": {"path": "request.path", "operation": "request.operation", "agent": "request.useragent"},
    }
]


async def test_labels_are_redacted_and_operations_are_made_for_them():
    async with running(settings(metrics=METRICS)) as service:
        envoy = Envoy(service.grpc_port)
        await envoy.send(message(inbound(path="/reviews/7?token=hunter2"), sender=node()))
        [delivery] = service.deliveries
        await until(lambda: delivery.account().delivered > 0 and not delivery.account().pending)
        ((labels, value),) = await samples(service, "asked_total")
        assert value == 1
        assert labels["path"] == "/reviews/7"
        assert labels["operation"] not in ("", "unknown")
        await envoy.end()
