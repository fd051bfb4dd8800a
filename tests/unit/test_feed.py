"""The feed yields all ids, each once and in order, in whatever order transactions commit."""

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from worker.domain.feed import SETTLED_AFTER, Gap, Passage, Snapshot, passage

QUIET = Snapshot(10, 10)
BUSY = Snapshot(9, 11)


def test_ids_without_a_gap_pass() -> None:
    assert passage(Passage(3), [4, 5, 6], BUSY, 0.0) == Passage(6)


def test_nothing_new_keeps_the_position() -> None:
    assert passage(Passage(3), [], BUSY, 0.0) == Passage(3)


def test_what_is_behind_a_gap_waits_until_it_is_filled() -> None:
    gap = passage(Passage(3), [4, 6, 7], BUSY, 0.0)

    assert gap == Passage(4, (Gap(5, 5, 0.0),))
    assert passage(gap, [5, 6, 7], BUSY, 0.1) == Passage(7)


def test_a_gap_right_behind_the_position_counts_as_well() -> None:
    assert passage(Passage(3), [6], BUSY, 0.0) == Passage(3, (Gap(4, 5, 0.0),))


def test_a_part_of_a_gap_is_as_old_as_the_whole() -> None:
    gap = passage(Passage(0), [9], BUSY, 0.0)

    assert passage(gap, [4, 9], BUSY, 0.5).gaps == (Gap(1, 3, 0.0), Gap(5, 8, 0.0))


def test_a_gap_is_dead_when_all_have_ended_that_could_fill_it() -> None:
    young = passage(Passage(0), [2], QUIET, 0.0)
    end = passage(young, [2], BUSY, SETTLED_AFTER)

    assert (young.position, end.position) == (0, 0)
    assert passage(end, [2], Snapshot(10, 50), 99.0).position == 0
    assert passage(end, [2], Snapshot(11, 50), 99.0) == Passage(2)


def test_a_gap_that_nobody_can_fill_waits_no_longer_than_it_must() -> None:
    young = passage(Passage(0), [2000], QUIET, 0.0)

    assert passage(young, [2000], QUIET, SETTLED_AFTER) == Passage(2000)


def test_all_that_was_missing_at_the_beginning_waits_once() -> None:
    start = Passage(0, (Gap(1, 1000, 0.0),))
    first = passage(start, [3, 5], QUIET, SETTLED_AFTER)
    second = passage(first, [7, 9], QUIET, SETTLED_AFTER)

    assert (first.position, second.position) == (5, 9)
    assert second.gaps == (Gap(10, 1000, 0.0, QUIET.following),)
    assert passage(second, [1000, 1002], QUIET, SETTLED_AFTER).position == 1000


def test_a_dead_gap_behind_an_open_one_stays_dead() -> None:
    start = Passage(0, (Gap(1, 1, 0.0, 12), Gap(3, 3, 0.0, 10)))
    end = passage(start, [2, 4], Snapshot(11, 13), 9.0)

    assert end == start
    assert passage(end, [2, 4], Snapshot(12, 13), 9.0) == Passage(4)


def test_a_single_writer_leaves_no_gap_that_is_filled_later() -> None:
    assert passage(Passage(0), [5, 9], None, 0.0) == Passage(9)


@dataclass
class Writer:
    """A transaction. It gets its number a moment after its first id."""

    began: float
    number: int | None = None
    ids: list[int] = field(default_factory=list)


class Database:
    """Ids from a sequence, rows that appear at a commit, and a clock."""

    def __init__(self) -> None:
        self.now, self.ids, self.numbers = 0.0, 0, 0
        self.writers: list[Writer] = []
        self.rows: set[int] = set()
        self.committed: set[int] = set()

    def snapshot(self) -> Snapshot:
        numbers = [writer.number for writer in self.writers if writer.number is not None]
        return Snapshot(min(numbers, default=self.numbers + 1), self.numbers + 1)

    def begin(self) -> Writer:
        writer = Writer(self.now)
        self.writers.append(writer)
        self.draw(writer)
        return writer

    def draw(self, writer: Writer) -> None:
        self.ids += 1
        writer.ids.append(self.ids)

    def number(self, writer: Writer) -> None:
        if writer.number is None:
            self.numbers += 1
            writer.number = self.numbers

    def wait(self, seconds: float) -> None:
        self.now += seconds
        for writer in self.writers:
            if self.now - writer.began >= SETTLED_AFTER:
                self.number(writer)

    def end(self, writer: Writer, *, commits: bool) -> None:
        self.number(writer)
        self.writers.remove(writer)
        if commits:
            self.rows |= set(writer.ids)
            self.committed |= set(writer.ids)


class Reader:
    """Follows the database, a limited number of ids at a time."""

    def __init__(self, database: Database, limit: int) -> None:
        self.database, self.limit = database, limit
        self.passage = Passage(0)
        self.ids: list[int] = []

    def read(self) -> None:
        position = self.passage.position
        ids = sorted(i for i in self.database.rows if i > position)[: self.limit]
        end = passage(self.passage, ids, self.database.snapshot(), self.database.now)
        assert len(end.gaps) <= self.limit + 1
        self.ids += [i for i in ids if i <= end.position]
        self.passage = end

    def resume(self) -> None:
        """Forget all but the position."""
        position, newest = self.passage.position, max(self.database.rows, default=0)
        self.passage = Passage(position, (Gap(position + 1, newest, self.database.now),))

    def prune(self) -> None:
        """Delete some of the rows that were read."""
        self.database.rows -= set(self.ids[::2])


ACTS = st.tuples(
    st.sampled_from(
        ["begin", "draw", "number", "commit", "commit", "roll back", "wait", "read", "read",
         "resume", "prune"]
    ),
    st.integers(0, 20),
)  # fmt: skip


def act(database: Database, reader: Reader, deed: str, number: int) -> None:
    writers = database.writers
    writer = writers[number % len(writers)] if writers else database.begin()
    if deed == "begin":
        database.begin()
    elif deed in ("draw", "number"):
        getattr(database, deed)(writer)
    elif deed in ("commit", "roll back"):
        database.end(writer, commits=deed == "commit")
    elif deed == "wait":
        database.wait(number / 10)
    else:
        getattr(reader, deed)()


@given(acts=st.lists(ACTS, max_size=80), limit=st.integers(1, 5))
def test_each_committed_event_is_given_out_once_and_in_order(
    acts: list[tuple[str, int]], limit: int
) -> None:
    database = Database()
    reader = Reader(database, limit)
    for deed, number in acts:
        act(database, reader, deed, number)
    while database.writers:
        database.end(database.writers[0], commits=True)
    for _ in range(2 * database.ids + 2):
        reader.read()
        database.wait(SETTLED_AFTER)

    assert reader.ids == sorted(database.committed)


@given(acts=st.lists(ACTS, max_size=60))
def test_a_gap_holds_nothing_back_longer_than_those_who_could_fill_it(
    acts: list[tuple[str, int]],
) -> None:
    database = Database()
    reader = Reader(database, limit=1000)
    for deed, number in acts:
        act(database, reader, deed, number)
    reader.read()
    database.wait(SETTLED_AFTER)
    reader.read()
    present = list(database.writers)
    late = database.begin()
    database.number(late)
    for writer in present:
        database.end(writer, commits=False)
    reader.read()

    assert reader.ids == sorted(database.committed)
