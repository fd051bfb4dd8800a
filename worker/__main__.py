"""`python -m worker` is `pilotage`."""

from worker.cli.main import main

main()
