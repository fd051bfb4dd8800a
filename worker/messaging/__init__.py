"""The door for Celery: a message comes in, one service is called, nothing else."""
