"""The commands, one a module; `--help` shows the docstrings of their functions."""
