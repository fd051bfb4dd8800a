"""The Celery application, in the module where `celery -A worker` looks for it."""

from worker.messaging.app import app

__all__ = ["app"]
