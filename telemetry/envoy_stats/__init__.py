"""Envoy's own metrics: what they are called, how they add up, what they say now."""
