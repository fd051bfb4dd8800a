"""A million strangers, or a renewal without end: bounded, reported briefly, and the next works.

A process of its own measures the memory that the strangers take.
"""

import shutil
from pathlib import Path

import pytest

from tests.backends.test_endless_answers import ABOUT, SQUEUE, program
from tests.room import answer_of, room
from tests.services.test_credentials import add_credential, all_credentials, run, token
from tests.services.world import World
from tests.session import PLAN
from worker.services.tasks import renew_credentials
from worker.services.tasks.reconcile import SHOWN

RECONCILE = """
from datetime import UTC, datetime
from sqlalchemy import text
from worker.backends import registry
from worker.db import ces, pilots
from worker.db.database import Database
from worker.db.engine import parse_url
from worker.domain.ce import CE
from worker.domain.pilot import Grant
from worker.services.operate import database as setting_up
from worker.services.runtime import Runtime
from worker.services.tasks.reconcile import reconcile
folder = Path(told["folder"])
backends = registry.discover()
database = Database(parse_url(f"sqlite:///{folder}/x.sqlite"), [b.chain for b in backends.values()])
setting_up.setup(database)
now = lambda: datetime.now(UTC)
def rows():
    tables = [table for chain in database.chains for table in chain.tables]
    with database.uow() as tx:
        return sum(tx.execute(text(f"SELECT count(*) FROM {t}")).scalar_one() for t in tables)
with database.uow() as tx:
    for name in ("flooded", "next"):
        options = {"programs": str(folder / name), "output_folder": None, "call_timeout": 900}
        ces.add(tx, CE(
            name=name, backend="slurm", capacity=2, options=options,
            cancel_strangers=told["cancels"],
        ))
    pilots.reserve(tx, [Grant(vo="default", ce="flooded", count=1)], now())
    pilots.claim(tx, "flooded", 1, now())
    tx.connection.exec_driver_sql(f"UPDATE pilots SET stamp = '{told['stamp']}'")
runtime = Runtime(
    database=database, backends=backends, home=folder, now=now, holder="x", by_hand=True
)
before = rows()
keep_to(told["room"])
begin = time.process_time()
results = [reconcile(runtime, name) for name in ("flooded", "next")]
print(json.dumps({
    "counts": [one.counts for one in results],
    "lines": [one.lines for one in results],
    "seconds": time.process_time() - begin,
    "rows": rows() - before,
}))
"""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("awk") is None, reason="needs awk")
@pytest.mark.parametrize("cancels", [False, True], ids=["leaves them", "ends them"])
@pytest.mark.parametrize(
    ("arrays", "mebibytes"),
    [(50, 300), (1000, 1500)],
    ids=["50,000", "1,000,000"],
)
def test_strangers_without_number_take_bounded_room_and_leave_next_to_nothing(
    request: pytest.FixtureRequest, tmp_path: Path, arrays: int, mebibytes: int, cancels: bool
) -> None:
    if arrays == 1000 and not request.config.stash[PLAN].long:
        pytest.skip("a million strangers are for PILOTAGE_TEST_LONG=1")
    for name, squeue in (("flooded", SQUEUE % (arrays, "0-999")), ("next", SQUEUE % (1, "7"))):
        (tmp_path / name).mkdir()
        program(tmp_path / name, "scontrol", ABOUT)
        program(tmp_path / name, "squeue", squeue)
        program(tmp_path / name, "scancel", "exit 0")
    # The pilot in doubt is the last job of the listing.
    values = {"folder": str(tmp_path), "cancels": cancels, "room": mebibytes}
    answer = answer_of(RECONCILE, {**values, "stamp": f"{arrays:024x}{999:08x}"})

    first, second = answer["counts"]
    assert (first["listed"], first["adopted"]) == (arrays * 1000, 1)
    assert first["strangers"] == arrays * 1000 - 1
    assert [len(lines) for lines in answer["lines"]] == [SHOWN, 1]
    assert (second["listed"], second["strangers"]) == (1, 1)
    assert answer["seconds"] < 150
    # Nothing is stored about strangers, only tallies of calls; one execution ends one batch.
    assert first.get("cancelled", 0) == (1000 if cancels else 0)
    assert answer["rows"] < 20 + (1001 if cancels else 0)


ENDLESS = {
    "answers": ("exec yes", "/bin/sh: more than "),
    "complains": ("exec yes >&2", "/bin/sh: more than "),
    "drips": ("while :; do echo x; sleep 0.05; done", "/bin/sh: no answer within 1 s"),
}


@pytest.mark.parametrize("how", ENDLESS)
def test_a_renewal_without_end_is_ended_and_the_next_is_done(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    script, why = ENDLESS[how]
    if how == "drips":
        monkeypatch.setattr(renew_credentials, "TIME_LIMIT", 1.0)
    pid, fresh = tmp_path / "pid", token(world, "fresh", 24)
    first, second = world.vo(), world.vo()
    words = ("/bin/sh", "-c", f"echo $$ >{pid}; {script}")
    add_credential(world, token(world, "endless", 0.01), first.name, renew=words)
    path = token(world, "well", 0.02)
    add_credential(world, path, second.name, renew=("cp", str(fresh), str(path)))

    world.wait(300)

    with room(100):
        result = run(world)

    assert result.counts["renewed"] == 1
    assert [len(line) < 400 and "\n" not in line for line in result.lines] == [True] * len(
        result.lines
    )
    assert f"could not be renewed: {why}" in " ".join(result.lines)
    assert not Path(f"/proc/{int(pid.read_text())}").exists()
    assert {one.vo: one.failures for one in all_credentials(world)} == {
        first.name: 1,
        second.name: 0,
    }
