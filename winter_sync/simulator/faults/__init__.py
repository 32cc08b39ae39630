"""Faults of the archive, by script: in answers, listings, zip members and streams."""
