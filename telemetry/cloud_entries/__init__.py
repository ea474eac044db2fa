"""LOGENTRY rows as Google Cloud Logging's entries, and the way there."""
