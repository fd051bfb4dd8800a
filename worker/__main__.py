"""`python -m worker` is `pilotage`, in a checkout."""

from worker.cli.main import main

main()
