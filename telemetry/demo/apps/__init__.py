"""Bookinfo's applications: small real HTTP servers that call each other through their sidecars."""
