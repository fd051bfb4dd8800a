"""Celery that looks at the clock of the database each second: `python -m tests.faults.hasty …`."""

import sys

from celery.__main__ import main

from worker.db import clock

if __name__ == "__main__":
    clock.LOOK_AGAIN = 1.0
    sys.argv = ["celery", "-A", "worker", *sys.argv[1:]]
    sys.exit(main())
