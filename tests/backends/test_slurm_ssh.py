"""A real Slurm behind a real login node, reached by SSH."""

import os
import pwd
import signal
import tempfile
from pathlib import Path

import pytest

from tests.backends.slurm_world import FOREVER, World, orders, until
from worker.domain.ce_answers import Job
from worker.domain.errors import CredentialProblem, Unavailable
from worker.domain.pilot import Cause, Status


@pytest.fixture
def world(slurm_world_over_ssh: World) -> World:
    return slurm_world_over_ssh


def logins(world: World) -> int:
    """Return the number of logins."""
    assert world.login is not None
    log = world.login.kept.folder / "log" / "sshd.out"
    return log.read_text(errors="replace").count("Accepted publickey")


def test_a_pilot_from_its_submission_to_its_output(world: World) -> None:
    [job] = world.send(command="id -un; echo $HOME; exit 3")
    observation = world.until_final(job)
    assert (observation.status, observation.exit_code) == (Status.FAILED, 3)
    assert world.login is not None
    home = pwd.getpwnam(world.login.user).pw_dir
    assert world.connect().output(job).text == f"{world.login.user}\n{home}\n"
    assert world.connect().hello().endswith(f"at {world.login.user}@127.0.0.1")


def test_many_calls_share_one_connection(world: World) -> None:
    world.connect().hello()
    before = logins(world)
    for _ in range(10):
        world.connect().hello()
    assert logins(world) == before


def test_a_long_folder_for_temporary_files_stops_no_call(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tempfile.TemporaryDirectory(prefix="p" * 40, dir="/tmp") as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        assert world.connect().hello()
        before = logins(world)
        assert world.connect().hello()
        assert logins(world) == before


def test_a_connection_need_not_be_shared(world: World) -> None:
    before = logins(world)
    world.connect(ssh_keep=0).hello()
    assert logins(world) == before + 1


def test_output_lies_in_the_home_of_the_user_if_nothing_else_is_said(world: World) -> None:
    assert world.login is not None
    [job] = world.send(command="echo here", output_folder=f"pilots of {world.prefix}")
    world.until_final(job)
    driver = world.connect(output_folder=f"pilots of {world.prefix}")
    assert driver.output(job).text == "here\n"
    folder = Path(pwd.getpwnam(world.login.user).pw_dir) / f"pilots of {world.prefix}"
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    assert [path.name for path in files] == [f"{job.stamp}.end", f"{job.stamp}.out"]
    assert {path.stat().st_mode & 0o077 for path in files} == {0}, "nobody else reads them"
    for path in [*files, *sorted((p for p in folder.rglob("*") if p.is_dir()), reverse=True)]:
        path.unlink() if path.is_file() else path.rmdir()
    folder.rmdir()


def test_words_are_not_read_by_the_shell_there(world: World) -> None:
    mark = world.folder / "kept by pilots" / "broken"
    hostile = f"x' ; touch '{mark}' ; $(touch '{mark}') `touch '{mark}'` \" & | > <"
    [order] = orders(script='printf "%s|" "$@"', arguments=[hostile, "", "a  b"])
    [receipt] = world.connect(arguments=[f"--wckey={hostile}"]).submit([order])
    job = Job(stamp=order.stamp, handle=str(receipt.handle))
    world.until_final(job)
    assert world.connect().output(job).text == f"{hostile}||a  b|"
    assert not mark.exists()


def test_what_a_login_shell_says_does_no_harm(world: World) -> None:
    assert world.login is not None
    profile = Path(pwd.getpwnam(world.login.user).pw_dir) / ".ssh"
    profile.mkdir(exist_ok=True)
    script = profile / "rc"
    script.write_text("echo Welcome to hpc; echo 12; echo error: quota exceeded >&2\n")
    try:
        [job] = world.send(command="exit 0", ssh_keep=0)
        assert world.connect(ssh_keep=0).find().complete
        assert world.until_final(job).status is Status.DONE
    finally:
        script.unlink()


def test_a_key_that_is_not_accepted_is_called_by_its_name(world: World) -> None:
    assert world.login is not None
    [job] = world.send(command=FOREVER)
    stranger = str(world.login.new_key("stranger"))
    driver = world.connect(ssh_key=stranger)
    for call in (driver.hello, driver.find, lambda: driver.submit(orders(2))):
        with pytest.raises(CredentialProblem, match="Permission denied"):
            call()
    with pytest.raises(CredentialProblem):
        driver.poll([job])
    assert set(world.slurm.jobs(world.prefix)) == {job.stamp}


@pytest.fixture
def each_its_key(world: World) -> World:
    """Two VOs: the node accepts the key of one, and refuses that of the other."""
    assert world.login is not None
    good = Path(world.options.pop("ssh_key"))
    world.options["vo_keys"] = True
    world.keys = {"atlas": good, "cms": world.login.new_key("of cms")}
    return world


def test_one_vos_bad_key_harms_no_other(each_its_key: World) -> None:
    world, driver = each_its_key, each_its_key.connect()
    mine, theirs = orders(3, "atlas"), orders(2, "cms")
    answers = {one.stamp: one for one in driver.submit([*theirs, *mine])}
    assert all(answers[one.stamp].handle for one in mine)
    assert {answers[one.stamp].refused for one in theirs} == {Cause.CREDENTIAL}
    assert set(world.slurm.jobs(world.prefix)) == {one.stamp for one in mine}
    jobs = [Job(stamp=one.stamp, handle=str(answers[one.stamp].handle), vo="atlas") for one in mine]
    stranger = Job(stamp=theirs[0].stamp, handle="999999_0", vo="cms")
    assert {one.stamp for one in driver.poll([*jobs, stranger])} == {job.stamp for job in jobs}
    listing = driver.find()
    assert (listing.vos, listing.complete) == (frozenset({"atlas"}), True)
    assert {job.stamp for job in listing.jobs} == {job.stamp for job in jobs}
    acceptance = {one.stamp: one.accepted for one in driver.cancel([*jobs, stranger])}
    assert acceptance == {stranger.stamp: False, **dict.fromkeys((job.stamp for job in jobs), True)}
    assert driver.hello()


def test_where_no_key_is_good_the_credential_is_the_problem(each_its_key: World) -> None:
    world = each_its_key
    world.keys["atlas"] = CredentialProblem("VO atlas", "its file is not there")
    driver = world.connect()
    job = Job(stamp=orders()[0].stamp, handle="999999_0", vo="atlas")
    for call in (
        driver.hello,
        driver.find,
        lambda: driver.submit(orders(1, "atlas")),
        lambda: driver.poll([job]),
        lambda: driver.cancel([job]),
        lambda: driver.output(job),
    ):
        with pytest.raises(CredentialProblem):
            call()
    assert world.slurm.jobs(world.prefix) == {}


def test_a_vo_without_a_key_and_one_with_a_user_of_its_own(each_its_key: World) -> None:
    world = each_its_key
    driver = world.connect(ssh_users={"atlas": "nobody-here"})
    with pytest.raises(CredentialProblem, match="nobody-here@127"):
        driver.submit(orders(1, "atlas"))
    with pytest.raises(CredentialProblem, match="alice has no key"):
        world.connect().submit(orders(1, "alice"))


def test_an_unknown_host_is_never_trusted(world: World) -> None:
    empty = world.folder / "nobody"
    empty.touch()
    with pytest.raises(Unavailable, match="ssh_known_hosts"):
        world.connect(ssh_known_hosts=str(empty), ssh_keep=0).hello()
    assert empty.read_text() == ""


def test_a_login_node_that_goes_and_comes_back(world: World) -> None:
    assert world.login is not None
    [job] = world.send(command=FOREVER)
    world.until_status(job, Status.RUNNING)
    port = world.login.port
    world.login.down()
    for call in (world.connect().hello, lambda: world.look(job)):
        with pytest.raises(Unavailable, match="Connection refused"):
            call()
    world.login.up_again()
    assert world.login.port == port
    assert world.look(job).status is Status.RUNNING


def test_a_login_node_that_hangs_is_left_in_time(world: World) -> None:
    """The connection is open, but nobody answers."""
    assert world.login is not None
    world.connect().hello()
    server = world.login.kept.facts()["keeper"]
    sessions = [pid for pid in world.login.processes() if pid != server]
    driver = world.connect(call_timeout=1.5)
    for pid in sessions:
        os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(Unavailable):
            driver.find()
    finally:
        for pid in sessions:
            os.kill(pid, signal.SIGCONT)
    until(lambda: world.connect().hello(), "an answer of the login node")


def test_a_missing_program_is_named(world: World) -> None:
    with pytest.raises(Unavailable, match=r"not found|No such file"):
        world.connect(programs="/nowhere").hello()
