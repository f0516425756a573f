"""`python -m latmodel` is `latmodel`."""

from latmodel.cli import main

main()
