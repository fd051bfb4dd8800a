"""The door for Celery: each message calls one service."""
