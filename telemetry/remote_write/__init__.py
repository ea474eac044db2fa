"""Prometheus remote write, 1.0 and 2.0: series, their messages, and a back end's answers."""
