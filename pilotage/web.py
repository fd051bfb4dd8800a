"""The server of the API: `python -m pilotage.web`, which `pilotage web` starts."""

from worker.web.server import main

if __name__ == "__main__":
    main()
