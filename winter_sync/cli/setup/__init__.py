"""What `init` asks, checks and writes."""
