"""The whole platform on one machine: what ``ops/up`` and ``ops/down`` do."""
