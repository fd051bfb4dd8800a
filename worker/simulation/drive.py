"""Running a world with a policy: check pilots, learn, decide, submit, tick after tick."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from worker.domain.decision import Decision
from worker.domain.errors import Invalid
from worker.policy.contract import Policy
from worker.policy.learning import PauseChange, learn
from worker.policy.parameters import DEFAULTS, Parameters
from worker.simulation.books import Books, CEBook, moment
from worker.simulation.scenario import Scenario
from worker.simulation.world import HOUR, World

MakePolicy = Callable[[World], Policy]
"""Makes the policy for a world. Only the oracle uses the world itself."""


@dataclass(kw_only=True)
class Sample:
    """The numbers of one tick."""

    hours: float
    running: int
    """Pilots that run, have work, and will end well."""
    doomed: int
    """Pilots that run and will fail."""
    waiting: int
    granted: int


@dataclass(kw_only=True)
class Run:
    """The result of a run: the world after its last hour, and what was recorded on the way."""

    world: World
    samples: list[Sample] = field(default_factory=list)
    changes: list[tuple[str, PauseChange]] = field(default_factory=list)
    resting: dict[str, list[tuple[float, bool]]] = field(default_factory=dict)
    """For each CE, the moments from which it gets only probes (true), or more than probes again
    (false)."""


def drive(
    scenario: Scenario,
    make: MakePolicy,
    *,
    seed: int | None = None,
    parameters: Parameters = DEFAULTS,
    on_decisions: Callable[[list[Decision]], object] = lambda decided: None,
) -> Run:
    """Run a scenario from its beginning to its end. `on_decisions` is called with all decisions."""
    world = World(scenario, scenario.seed if seed is None else seed)
    books, policy, run = Books(world, parameters), make(world), Run(world=world)
    for number, book in enumerate(books.ces.values()):
        _plan_looks(world, books, book, number / len(books.ces), parameters)
    end, now = scenario.hours * HOUR, 0.0
    while now < end:
        world.run(now)
        _learn(books, run, parameters)
        granted: Counter[str] = Counter()
        for vo in world.work:
            decided = policy(
                now=moment(now),
                vo=books.vo_facts(vo),
                budget=scenario.budget,
                ces=books.ce_facts(vo, parameters),
                parameters=parameters,
            )
            on_decisions(decided)
            granted.update(_submit(world, books, decided))
            _note_rest(run, decided, now)
        run.samples.append(_sample(world, books, now, granted.total()))
        now += scenario.tick_seconds
    world.run(end)
    return run


def _plan_looks(
    world: World, books: Books, book: CEBook, phase: float, parameters: Parameters
) -> None:
    every = world.scenario.poll_seconds

    def look() -> None:
        book.look(world.now, parameters.survival, books.works)
        world.at(world.now + every, look)

    world.at(phase * every, look)


def _learn(books: Books, run: Run, parameters: Parameters) -> None:
    now = moment(run.world.now)
    by_ce = {}
    for name, book in books.ces.items():
        by_ce[name], book.events = sorted(book.events, key=lambda pair: pair[1].at), []
        for vo, event in by_ce[name]:
            books.works.add(name, vo, event)
    verdicts = books.works.judge(now)
    for name, book in books.ces.items():
        learned = learn(
            book.state,
            [event for _, event in by_ce[name]],
            now=now,
            configured=book.ce.truth.model.configured,
            queue=book.queue(),
            hole=verdicts.holes.get(name),
            parameters=parameters,
        )
        book.state = learned.state
        run.changes += [(name, change) for change in learned.changes]


def _submit(world: World, books: Books, decided: list[Decision]) -> dict[str, int]:
    granted = {}
    for decision in decided:
        if not decision.granted:
            continue
        book = books.ces[decision.ce]
        free = book.ce.truth.model.capacity - book.occupying.total()
        if decision.granted > free:
            raise Invalid(
                "policy", f"it granted {decision.granted} pilots where {free} slots were free"
            )
        receipts = world.submit(decision.ce, decision.vo, decision.granted)
        book.sent(decision.vo, receipts, world.now)
        granted[decision.ce] = decision.granted
    return granted


def _note_rest(run: Run, decided: list[Decision], now: float) -> None:
    for decision in decided:
        rests = "probe_every" in decision.trace
        noted = run.resting.setdefault(decision.ce, [(0.0, False)])
        if noted[-1][1] != rests:
            noted.append((now, rests))


def _sample(world: World, books: Books, now: float, granted: int) -> Sample:
    running = [pilot for ce in world.ces.values() for pilot in ce.running]
    good = sum(1 for pilot in running if pilot.cause is None and not pilot.empty)
    return Sample(
        hours=now / HOUR,
        running=good,
        doomed=sum(1 for pilot in running if pilot.cause is not None),
        waiting=sum(book.waiting.total() for book in books.ces.values()),
        granted=granted,
    )
