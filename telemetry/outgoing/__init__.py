"""Ways out to back ends: HTTP that trusts no answer, and certificates that may change while we run."""
