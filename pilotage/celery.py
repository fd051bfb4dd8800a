"""Where `celery -A pilotage` looks for the application.

`python -m pilotage.celery` is the command `celery`, which then needs not search for this package.
"""

from worker.celery import app

__all__ = ["app"]

if __name__ == "__main__":
    from celery.__main__ import main

    main()
