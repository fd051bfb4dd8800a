"""The file of a credential: its lifetime and its problems."""

import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.factories import NOW
from tests.secrets import HOUR, a_key, a_proxy, a_token, certify, write
from worker.backends import credentials
from worker.domain.credential import Credential, CredentialKind
from worker.domain.errors import CredentialProblem

PROXY, TOKEN, KEY = CredentialKind.PROXY, CredentialKind.TOKEN, CredentialKind.KEY

with_ssh = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="needs ssh-keygen")


def look(path: Path, kind: CredentialKind = PROXY, now: datetime = NOW) -> Credential:
    return credentials.look(Credential(backend="arc", kind=kind, path=str(path)), now)


def stamp(moment: datetime) -> int:
    return int(moment.timestamp())


def test_a_proxy_holds_as_long_as_its_whole_chain(tmp_path: Path) -> None:
    begins = NOW - HOUR
    plain = look(a_proxy(tmp_path / "one", begins, NOW + 11 * HOUR))
    short = look(a_proxy(tmp_path / "two", begins, NOW + 11 * HOUR, issuer_ends=NOW + HOUR))

    assert (plain.issued_at, plain.expires_at) == (begins, NOW + 11 * HOUR)
    assert (short.problem, short.expires_at) == (None, NOW + HOUR)
    assert plain.checked_at == NOW


def test_an_expired_proxy_is_no_problem_of_its_file(tmp_path: Path) -> None:
    credential = look(a_proxy(tmp_path / "one", NOW - 12 * HOUR, NOW - HOUR))

    assert (credential.problem, credential.expires_at) == (None, NOW - HOUR)


def test_a_proxy_of_openssl_is_read(tmp_path: Path) -> None:
    path = a_proxy(tmp_path / "proxy", NOW - HOUR, NOW + HOUR)
    # Other tools write text between the parts.
    write(path, b"subject=CN = proxy\n" + path.read_bytes())

    assert look(path).problem is None


def test_a_token_says_of_itself_how_long_it_holds(tmp_path: Path) -> None:
    whole = look(
        a_token(tmp_path / "a", iat=stamp(NOW), nbf=stamp(NOW), exp=stamp(NOW + HOUR)), TOKEN
    )
    path = a_token(tmp_path / "b", exp=stamp(NOW + HOUR))
    os.utime(path, (stamp(NOW - HOUR),) * 2)
    without_beginning = look(path, TOKEN)

    assert (whole.issued_at, whole.expires_at) == (NOW, NOW + HOUR)
    # Without a begin, the lifetime counts from the moment of writing.
    assert (without_beginning.issued_at, without_beginning.expires_at) == (NOW - HOUR, NOW + HOUR)


@pytest.mark.parametrize(
    "word", ["opaque", "a.b.c", "bm90.anNvbg.x", "W10.W10.", "e30.eyJleHAiOiJzb29uIn0.x"]
)
def test_a_token_of_another_form_has_no_known_end(tmp_path: Path, word: str) -> None:
    credential = look(write(tmp_path / "token", f"{word}\n"), TOKEN)

    assert (credential.problem, credential.issued_at, credential.expires_at) == (None, None, None)


@pytest.mark.parametrize("exp", [-1, 10**300, 2**63, True, "1"])
def test_an_impossible_end_is_none(tmp_path: Path, exp: object) -> None:
    assert look(a_token(tmp_path / "token", exp=exp), TOKEN).expires_at is None


def test_a_clock_may_be_a_minute_ahead_and_no_more(tmp_path: Path) -> None:
    ahead = a_token(tmp_path / "a", nbf=stamp(NOW) + 50, exp=stamp(NOW + HOUR))
    later = a_token(tmp_path / "b", nbf=stamp(NOW) + 70, exp=stamp(NOW + HOUR))

    assert look(ahead, TOKEN).problem is None
    assert look(later, TOKEN).problem == "it is not valid before 2026-03-01 12:01:10Z"


@with_ssh
@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
def test_a_key_of_ssh_holds_for_ever(tmp_path: Path, kind: str) -> None:
    credential = look(a_key(tmp_path / "key", kind=kind), KEY)

    assert (credential.problem, credential.expires_at) == (None, None)


@with_ssh
def test_the_certificate_beside_a_key_says_how_long_it_holds(tmp_path: Path) -> None:
    key, authority = a_key(tmp_path / "key"), a_key(tmp_path / "authority")
    certify(key, authority, "20260301110000Z:20260301140000Z")
    credential = look(key, KEY)

    assert credential.expires_at == datetime(2026, 3, 1, 14, tzinfo=UTC)
    certify(key, authority, "always:forever")
    assert (look(key, KEY).problem, look(key, KEY).expires_at) == (None, None)
    write(tmp_path / "key-cert.pub", "ssh-ed25519-cert-v01@openssh.com nonsense")
    assert look(key, KEY).problem == "the certificate beside it cannot be read"


def _open_to(path: Path, mode: int) -> Path:
    path.chmod(mode)
    return path


def _good(path: Path) -> Path:
    return a_proxy(path, NOW - HOUR, NOW + HOUR)


def _folder(path: Path) -> Path:
    path.mkdir(mode=0o700)
    return path


def _pipe(path: Path) -> Path:
    os.mkfifo(path, 0o600)
    return path


def _foreign(path: Path) -> Path:
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    _good(path)
    os.chown(path, 65534, 65534)
    return path


WRONG: dict[str, tuple[CredentialKind, Callable[[Path], Path], str]] = {
    "missing": (PROXY, lambda path: path, "its file is missing"),
    "below a file": (
        PROXY,
        lambda path: write(path, "x") / "x",
        "cannot be read (not a directory)",
    ),
    "a folder": (PROXY, _folder, "it is not a regular file"),
    "a pipe": (PROXY, _pipe, "it is not a regular file"),
    "empty": (TOKEN, lambda path: write(path, "\n"), "its file is empty"),
    "endless": (TOKEN, lambda path: write(path, "x" * (2 << 20)), "too large for a credential"),
    "readable by a group": (PROXY, lambda path: _open_to(_good(path), 0o640), "mode 640"),
    "writable by others": (PROXY, lambda path: _open_to(_good(path), 0o602), "make it 600"),
    "of another user": (PROXY, _foreign, "its file belongs to another user"),
    "no certificate": (PROXY, lambda path: write(path, "hush-hush"), "no certificate"),
    "half a certificate": (
        PROXY,
        lambda path: write(path, _good(path).read_bytes()[:300]),
        "no certificate",
    ),
    "no key": (PROXY, lambda path: a_proxy(path, NOW, NOW + HOUR, key=False), "it holds no key"),
    "another's key": (
        PROXY,
        lambda path: a_proxy(path, NOW, NOW + HOUR, key="another"),
        "its key does not belong to its certificate",
    ),
    "of tomorrow": (
        PROXY,
        lambda path: a_proxy(path, NOW + 24 * HOUR, NOW + 36 * HOUR),
        "it is not valid before 2026-03-02 12:00:00Z",
    ),
    "two tokens": (TOKEN, lambda path: write(path, "hush-hush hush-hush"), "exactly one token"),
    "binary": (TOKEN, lambda path: write(path, b"\xff\xfe\x00"), "it is not a token"),
    "a token with an escape": (TOKEN, lambda path: write(path, "a\x1bb"), "exactly one token"),
    "no private key": (KEY, lambda path: write(path, "ssh-ed25519 AAAA"), "no private key"),
    "a broken key": (
        KEY,
        lambda path: write(
            path, "-----BEGIN PRIVATE KEY-----\nhush-hush\n-----END PRIVATE KEY-----\n"
        ),
        "its key cannot be read",
    ),
}


@pytest.mark.parametrize(("kind", "make", "message"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_said_in_one_line_without_the_content(
    tmp_path: Path, kind: CredentialKind, make: Callable[[Path], Path], message: str
) -> None:
    problem = look(make(tmp_path / "secret"), kind).problem

    assert problem is not None
    assert message in problem
    assert "hush" not in problem
    assert problem.isprintable()


@with_ssh
@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_a_key_with_a_passphrase_is_refused(tmp_path: Path, kind: str) -> None:
    credential = look(a_key(tmp_path / "key", passphrase="hush-hush", kind=kind), KEY)

    assert credential.problem == "its key has a passphrase: use a key without one"


def test_a_file_may_be_reached_by_a_link(tmp_path: Path) -> None:
    # Some systems replace folders with secrets by changing a link.
    (tmp_path / "link").symlink_to(_good(tmp_path / "one"))

    assert look(tmp_path / "link").problem is None


def test_each_vo_is_told_the_file_that_it_may_use_or_why_it_may_not(tmp_path: Path) -> None:
    good = Credential(backend="arc", kind=PROXY, path=str(_good(tmp_path / "good")))
    old = a_proxy(tmp_path / "old", NOW - 12 * HOUR, NOW - timedelta(minutes=12))
    too_old = Credential(backend="arc", kind=PROXY, path=str(old), vo="b")
    usable = credentials.usable({"a": good, "b": too_old, "c": good, "d": None}, "arc", PROXY, NOW)

    assert usable["a"] == usable["c"] == Path(good.path)
    assert isinstance(usable["b"], CredentialProblem)
    assert str(usable["b"]).endswith(f"the proxy of VO b for arc expired 12 min ago: {old}")
    assert isinstance(usable["d"], CredentialProblem)
    assert "pilotage credential add d arc --proxy PATH" in str(usable["d"])
