"""The contract that every adapter keeps, as one class of tests to inherit."""

from telemetry.testing.deliveries import Deliveries
from telemetry.testing.failures import Failures
from telemetry.testing.interruptions import Interruptions
from telemetry.testing.promises import Promises
from telemetry.testing.strangers import Strangers

__all__ = ["AdapterContract"]


class AdapterContract(Deliveries, Failures, Interruptions, Strangers, Promises):
    """Inherit it in a test module, say which adapter and which sink; pytest does the rest.

    A subclass sets `adapter_class`, overrides the fixture `sink` and the method `make(sink)`; it declares in `cannot`
    what its back end can't do, each with a reason, and in `secrets` what no message may show.
    """
