"""How far a run is: events added up, and shown on a terminal or in the log."""
