"""The tormentor: deals acts from a shuffled deck; the seed decides what it does and when."""

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
    """Deals acts until it has killed enough; it writes every act into a journal."""

    acts: list[Act]
    seed: int
    journal: Path
    counts: Counter[str] = field(default_factory=Counter)
    misses: Counter[str] = field(default_factory=Counter)
    kills: int = 0
    _dealt: int = 0

    def torment(
        self, world: World, kills: int, seconds: float, between: Callable[[], object] | None = None
    ) -> None:
        """Kill this number of processes in about this time, with other acts of the deck between.

        After a fifth of the kills, call `between`; there are no acts meanwhile.
        """
        deck = [act for act in self.acts for _ in range(act.cards)]
        pause = seconds / kills * sum(act.cards for act in self.acts if act.kills) / len(deck)
        # It goes on as long as there are kills now and then, however slow the machine is.
        next_act = killed_at = time.monotonic()
        patience = PATIENCE + 8 * seconds / kills
        while self.kills < kills and time.monotonic() < killed_at + patience:
            if between is not None and self.kills * 5 >= kills:
                between()
                between, killed_at, next_act = None, time.monotonic(), time.monotonic()
            before = self.kills
            dice = Random(f"{self.seed}:{self._dealt}")
            if self._dealt % len(deck) == 0:
                hand = list(deck)
                dice.shuffle(hand)
            wait = min(dice.expovariate(1 / pause), 4 * pause)
            self._play(world, hand[self._dealt % len(deck)], dice)
            self._dealt += 1
            killed_at = time.monotonic() if self.kills > before else killed_at
            # The time of an act shortens the pause, but a long delay causes no long burst.
            next_act = max(next_act + wait, time.monotonic() - BURST)
            world.live(max(0.0, next_act - time.monotonic()))

    def _play(self, world: World, act: Act, dice: Random) -> None:
        world.pulse.feel()
        began = time.time()
        wounds = act.do(world, dice)
        if wounds is None:
            self.misses[act.name] += 1
        else:
            self.counts[act.name] += 1
            self.kills += act.kills
            world.pulse.strike(wounds)
        line = {"at": round(began, 3), "card": self._dealt, "act": act.name}
        line["done"] = wounds is not None
        with self.journal.open("a", encoding="utf-8") as journal:
            journal.write(json.dumps(line) + "\n")
