"""Envoy configuration for the mesh, named as Istio names it."""
