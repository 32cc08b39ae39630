"""`python -m winter_sync`: the same as the command `winter-sync`."""

from winter_sync.cli import main

main()
