"""From the journal to each handler: nothing lost, everything counted."""

from telemetry.delivery.account import Account, Counts
from telemetry.delivery.condition import Condition
from telemetry.delivery.consignment import Consignment
from telemetry.delivery.courier import Courier
from telemetry.delivery.delivery import Delivery
from telemetry.delivery.letters import Keep, Letters
from telemetry.delivery.patience import Patience
from telemetry.delivery.status import Status
from telemetry.delivery.terms import Terms, terms_of

__all__ = [
    "Account",
    "Condition",
    "Consignment",
    "Counts",
    "Courier",
    "Delivery",
    "Keep",
    "Letters",
    "Patience",
    "Status",
    "Terms",
    "terms_of",
]
