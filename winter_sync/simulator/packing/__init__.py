"""Zip archives of the files, as the archive sends them."""
