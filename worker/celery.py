"""Where `celery -A worker` looks for the application."""

from worker.tasks.app import app

__all__ = ["app"]
