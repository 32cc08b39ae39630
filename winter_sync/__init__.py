"""A local, trustworthy mirror of WINTER and SPRING data."""

__version__ = "0.1.0"
