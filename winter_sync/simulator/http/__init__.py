"""The archive's API over HTTP, and the simulator's own endpoints."""
