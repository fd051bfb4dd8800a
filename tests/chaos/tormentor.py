"""The tormentor: deals acts from a shuffled deck, so that a seed says what it does and when."""

import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.chaos.world import Act, World
from tests.patience import PATIENCE

BURST = 5.0
"""Seconds of delay that the next acts may make up for."""


@dataclass
class Tormentor:
    """Goes on until it has killed so many; every act is written down."""

    acts: list[Act]
    seed: int
    journal: Path
    done: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    kills: int = 0
    _dealt: int = 0

    def torment(
        self, world: World, kills: int, seconds: float, between: Callable[[], object] | None = None
    ) -> None:
        """Kill so many in about so many seconds, with all else that is in the deck between.

        When a fifth of them are killed, do what is to be done between, and let all rest meanwhile.
        """
        deck = [act for act in self.acts for _ in range(act.cards)]
        pause = seconds / kills * sum(act.cards for act in self.acts if act.kills) / len(deck)
        # It goes on as long as it kills somebody now and then, however slow the machine is.
        due = killed_at = time.monotonic()
        patience = PATIENCE + 8 * seconds / kills
        while self.kills < kills and time.monotonic() < killed_at + patience:
            if between is not None and self.kills * 5 >= kills:
                between()
                between, killed_at, due = None, time.monotonic(), time.monotonic()
            before = self.kills
            dice = Random(f"{self.seed}:{self._dealt}")
            if self._dealt % len(deck) == 0:
                hand = list(deck)
                dice.shuffle(hand)
            wait = min(dice.expovariate(1 / pause), 4 * pause)
            self._play(world, hand[self._dealt % len(deck)], dice)
            self._dealt += 1
            killed_at = time.monotonic() if self.kills > before else killed_at
            # What an act took is not added to the pause, but a delay is not made up for in a burst.
            due = max(due + wait, time.monotonic() - BURST)
            world.live(max(0.0, due - time.monotonic()))

    def _play(self, world: World, act: Act, dice: Random) -> None:
        world.pulse.feel()
        began = time.time()
        wounds = act.do(world, dice)
        if wounds is None:
            self.missed[act.name] += 1
        else:
            self.done[act.name] += 1
            self.kills += act.kills
            world.pulse.strike(wounds)
        line = {"at": round(began, 3), "card": self._dealt, "act": act.name}
        line["done"] = wounds is not None
        with self.journal.open("a", encoding="utf-8") as journal:
            journal.write(json.dumps(line) + "\n")
