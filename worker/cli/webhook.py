"""`pilotage webhook`: test the receiver of events."""

from dataclasses import asdict

import click

from worker import wiring
from worker.cli import show
from worker.cli.groups import Group, example
from worker.cli.options import as_json
from worker.services.operate.webhook_test import try_webhook


@click.group(cls=Group, epilog=example("pilotage webhook test"))
def webhook() -> None:
    """Test the webhook, the address to which events are sent."""


@webhook.command(epilog=example("pilotage webhook test"))
@as_json
def test(as_json: bool) -> None:
    """Send one event now, and show whether the receiver accepted it."""
    trial = try_webhook(wiring.by_hand())
    if as_json:
        show.as_json(asdict(trial))
    else:
        show.say(f"{trial.receiver} took the event {trial.event_id} in {trial.seconds:g} s")
