"""The command `pilotage`, also as `python -m pilotage`."""

from worker.cli.main import main

if __name__ == "__main__":
    main()
