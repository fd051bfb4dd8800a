"""Where `celery -A worker` looks for the application."""

from worker.messaging.app import app

__all__ = ["app"]
