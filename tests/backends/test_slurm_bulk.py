"""A thousand pilots are a handful of calls."""

from collections import Counter

from tests.backends.slurm_world import World, orders
from worker.domain.ce_answers import Job
from worker.domain.pilot import Status

COUNT = 'echo "${{0##*/}}" >>"{log}"'


def test_a_thousand_pilots_are_a_handful_of_calls(slurm_world: World) -> None:
    log = slurm_world.folder / "kept by pilots" / "calls"
    driver = slurm_world.connect(partition="closed")
    driver.hello()

    def calls() -> Counter[str]:
        counts = Counter(log.read_text().split()) if log.exists() else Counter[str]()
        log.unlink(missing_ok=True)
        return counts

    with slurm_world.replacing(COUNT.format(log=log)):
        receipts = driver.submit(orders(1000))
        assert calls() == {"sbatch": 1}
        jobs = [Job(stamp=one.stamp, handle=str(one.handle)) for one in receipts]
        assert {one.status for one in driver.poll(jobs)} == {Status.SUBMITTED}
        assert calls() == {"squeue": 1}
        assert len(driver.find().jobs) == 1000
        assert calls() == {"squeue": 1, "sacct": 1}
        assert all(answer.accepted for answer in driver.cancel(jobs[:500]))
        assert calls() == {"scancel": 1}
        assert len(driver.poll(jobs)) == 1000
        assert calls() == {"squeue": 1, "sacct": 1}


def test_failed_pilots_cost_one_question_more(slurm_world: World) -> None:
    log = slurm_world.folder / "kept by pilots" / "calls"
    jobs = slurm_world.send(20, command="exit 3")
    for job in jobs:
        slurm_world.until_final(job)
    with slurm_world.replacing(COUNT.format(log=log)):
        observations = slurm_world.connect().poll(jobs)
    assert {one.exit_code for one in observations} == {3}
    assert Counter(log.read_text().split()) == {"squeue": 2}
