"""The server of the API: `python -m pilotage.web`, which `pilotage web` and `pilotage up` start."""

import sys

from worker.web.server import main

if __name__ == "__main__":
    main(sys.argv[1:])
