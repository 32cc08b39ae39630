"""The observatory: who observed what, and which files of it the archive holds."""
