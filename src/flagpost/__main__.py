"""`python -m flagpost`: the same as the command `flagpost`."""

from flagpost.cli import main

main()
