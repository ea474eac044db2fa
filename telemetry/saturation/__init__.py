"""How near services are to what they can bear: the signal that Istio never had."""

from telemetry.saturation.breakers import Breakers
from telemetry.saturation.gauges import SaturationGauges
from telemetry.saturation.headroom import Headroom, Pressure
from telemetry.saturation.ratio import Capacities, Load, saturation_ratio

__all__ = ["Breakers", "Capacities", "Headroom", "Load", "Pressure", "SaturationGauges", "saturation_ratio"]
