"""A broker that a play controls: messages get lost, doubled, late or out of order."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

RETRIES = 5
"""Times that the receiver of a message asks for it again, as the tasks do."""


@dataclass(frozen=True, kw_only=True)
class Message:
    """One message: run this task for this VO or CE, if it is not too late."""

    task: str
    subject: str | None
    expires_at: datetime
    retries: int = 0

    def __str__(self) -> str:
        return f"{self.task} {self.subject or ''}".strip()


class Broker:
    """The messages that were sent and not yet delivered."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self._later: list[Message] = []

    def send(self, task: str, subject: str | None, now: datetime, expires: float) -> None:
        """Accept a message."""
        expires_at = now + timedelta(seconds=expires)
        self.messages.append(Message(task=task, subject=subject, expires_at=expires_at))

    def again(self, message: Message) -> None:
        """Take a message back that its receiver could not execute yet."""
        if message.retries < RETRIES:
            self._later.append(replace(message, retries=message.retries + 1))

    def ripen(self) -> None:
        """Deliver again the messages that were taken back."""
        self.messages += self._later
        self._later.clear()
