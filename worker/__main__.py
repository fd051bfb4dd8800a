"""The command `pilotage` as `python -m worker`, for a checkout."""

from worker.cli.main import main

main()
