"""What looks like a secret is removed, in every shape; ordinary text stays as it is."""

import logging
import string
import time
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.expectations import PASSWORD
from tests.factories import NOW
from worker import logs, wiring
from worker.backends.guard import Guard
from worker.domain.ce_answers import Cancelled, Job, Listing, Observed, Order, Output, Receipt
from worker.domain.errors import DemandUnknown, Unavailable, Unreadable
from worker.domain.secrets import end_of, without_long_words, without_secrets
from worker.domain.token import make_secret

SHOWN = {
    "token=abcdef0123456789abcdef0123456789 rejected": "token=*** rejected",
    "AWS_SECRET_ACCESS_KEY=wJalr/x+y= used": "AWS_SECRET_ACCESS_KEY=*** used",
    "api_key: 'ab cd' used": "api_key: '***' used",
    "run --password hunter2 --fast": "run --password *** --fast",
    "run --pin 1234 --db-pass x9 --pwd 'a b'": "run --pin *** --db-pass *** --pwd '***'",
    "run --token PATH-x9 --secret path": "run --token *** --secret ***",
    "run --pin=1234 --pwd=hunter2": "run --pin=*** --pwd=***",
    "https://u:pw@host/x": "https://u:***@host/x",
    "https://u:p@ss@host/x": "https://u:***@host/x",
    "Authorization: Bearer abcdefghijklmnop0123": "Authorization: ***",
    "curl -H 'Authorization: Basic dTpw' http://x": "curl -H 'Authorization: ***' http://x",
    "Bearer abcdef": "Bearer ***",
    "eyJhbGciOiJub25lIn0.eyJzdWIiOiJtZSJ9.c2ln": "***",
    "password=tiger and more": "password=*** and more",
    '{"secret": "a b\\"c", "x": 1}': '{"secret": "***", "x": 1}',
    '{\\"secret\\": \\"abc\\"}': '{\\"secret\\": \\"***',
    "<password>abc</password>": "<password>***</password>",
    "https://host/x?token=abc": "https://host/x?token=***",
    "https://s3/x?X-Amz-Signature=0a1b&x=1": "https://s3/x?X-Amz-Signature=***&x=1",
    "machine h login me password hunter2": "machine h login me password ***",
    "curl -u me:hunter2 x": "curl -u me:*** x",
    "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\nafter": "***\nafter",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIE": "***",
    "it ends:\nMIIE\nab==\n-----END RSA PRIVATE KEY-----\nafter": "it ends:\n***\nafter",
    "x\n[... 9 bytes are left out here ...]\n456789abcdef and": (
        "x\n[... 9 bytes are left out here ...]\n*** and"
    ),
    "clone ghp_012345": "clone ***",
    "cut off: pilotage_aB3dE6gH9jK2": "cut off: ***",
}

ORDINARY = [
    "the bearer of a secret password",
    "add one with 'pilotage credential add lhcb arc --token PATH'",
    "bearer token expired",
    "the token: expired",
    "cp: cannot stat '/home/me/.condor/worker.token': No such file or directory",
    "SyntaxError: unexpected token: x",
    "max_tokens=512, tokens: 3",
    "X509_USER_PROXY=/tmp/x509up_u1000 BEARER_TOKEN_FILE=/tmp/bt_u1000",
    "PWD=/home/me OLDPWD=/",
    "http://host:8080/a@b ssh://me@host:22 postgresql://me:***@host:5/db",
    "pass: 12, fail: 3; the bypass=on, spin=3",
    "run --spin 3 --bypass on --pass-through on --passphrase-file x --pass --fast",
    "global-scheduler-of-things risk-assessment-of-it asking-for-something",
    "slurmstepd: error: *** JOB 7 ON n1 CANCELLED AT 2026-11-26T00:26:25 DUE TO TIME LIMIT ***",
    "pilot 0123456789abcdef0123456789abcdef of VO lhcb starts on node07 (7_12) at 00:26:25Z",
    "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "the database pilotage_production_of_the_site_2026 is full",
    "the file /srv/pilotage_production_of_2026",
    "npm_config_registry=x hf_model_download_folder ASIA",
    "exit code 1; key: value, 3 keys; public_key=x",
]


@pytest.mark.parametrize(("text", "clean"), SHOWN.items())
def test_what_looks_like_a_secret_is_taken_out(text: str, clean: str) -> None:
    assert without_secrets(text) == clean


@pytest.mark.parametrize("text", ORDINARY)
def test_what_is_ordinary_stays(text: str) -> None:
    assert without_secrets(text) == text


@pytest.mark.parametrize(
    "around", [" {} ", "http://h:8017/sign-in#{}", "x{}", "{}x", '"{}"', "'{}',"]
)
def test_a_secret_of_ours_is_taken_out_wherever_it_stands(around: str) -> None:
    secret = make_secret()

    assert secret[9:25] not in without_secrets(around.format(secret))
    assert "***" in without_secrets(around.format(secret))


PREFIXES = [
    *("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "npm_", "hf_"),
    *("glpat-", "gldt-", "glrt-", "glcbt-", "glptt-", "glft-", "glimt-", "glagent-", "gloas-"),
    *("glsoat-", "glffct-", "xoxb-", "xapp-", "sk-", "pypi-", "dckr_pat_", "hvs.", "ya29.", "AIza"),
]
"""The first characters of the tokens of public services."""


@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_token_is_known_by_its_beginning_alone(prefix: str) -> None:
    assert without_secrets(f"clone {prefix}{'aB3' * 12} again") == "clone *** again"


WORD = string.ascii_letters + string.digits
HEXADECIMAL = st.text("0123456789abcdef", min_size=16, max_size=64)
SECRET = st.text(WORD + "+/_-.!$%^*", min_size=8, max_size=60).filter(
    lambda one: one[0] in WORD and one[-1] in WORD and one.lower() not in "bearer basic"
)
ALPHANUMERIC = st.text(WORD, min_size=36, max_size=40)
CAPITALS = st.text(string.ascii_uppercase + string.digits, min_size=16, max_size=16)
BASE64 = st.text(WORD + "-_", min_size=20, max_size=80).filter(lambda one: one[0] in WORD)
LINES = st.lists(st.text(WORD + "+/", min_size=64, max_size=64), min_size=1, max_size=3)

SHAPES: list[tuple[str, st.SearchStrategy[str]]] = [
    ("token={}", HEXADECIMAL),
    ("token: {}", HEXADECIMAL.filter(lambda one: not one.isalpha())),
    ("AWS_SECRET_ACCESS_KEY={}", SECRET),
    ("export aws_session_token='{}'", SECRET),
    ("api_key: '{}'", SECRET),
    ("apiKey = {}", SECRET),
    ("x-api-key: {}", SECRET),
    ("--password {}", SECRET),
    ("--password={}", SECRET),
    ("--client-secret '{}'", SECRET),
    ("PGPASSWORD={}", SECRET),
    ("MYSQL_PWD={}", SECRET),
    ("password: {}", SECRET),
    ("passphrase={}", SECRET),
    ("https://user:{}@host:8443/path", SECRET),
    ("https://{}@github.com/x.git", ALPHANUMERIC),
    ("ghp_{}", ALPHANUMERIC),
    ("github_pat_{}", ALPHANUMERIC),
    ("glpat-{}", BASE64),
    ("xoxb-{}", BASE64),
    ("pilotage_{}", st.text(WORD + "-_", min_size=43, max_size=43)),
    ("AKIA{}", CAPITALS),
    ("Bearer {}", BASE64),
    ("Authorization: Basic {}", SECRET),
    ("'Authorization': 'Token {}'", SECRET),
    ("Cookie: session={}; x=1", SECRET),
    ("eyJ{}", BASE64),
    ("eyJhbGciOiJub25lIn0.{}.c2ln", BASE64),
    ('{{"secret": "{}"}}', SECRET),
    ('{{"accessToken":"{}"}}', SECRET),
    ("https://host/path?token={}&x=1", BASE64),
    ("https://host/path?x=1&sig={}", BASE64),
    ("machine host login me password {}", SECRET),
    ("-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----", LINES.map("\n".join)),
    ("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----", LINES.map("\n".join)),
    ("-----BEGIN PRIVATE KEY-----\\n{}\\n-----END PRIVATE KEY-----", LINES.map("\\n".join)),
    ("\n{}\n-----END EC PRIVATE KEY-----", LINES.map("\n".join)),
]
AROUND = st.sampled_from(["", "\n", " and ", "ERROR: authentication ", "\n2026-11-26 [7_12] "])


@pytest.mark.parametrize(("shape", "secrets"), SHAPES, ids=[shape for shape, _ in SHAPES])
def test_no_secret_survives_in_any_shape(shape: str, secrets: st.SearchStrategy[str]) -> None:
    @settings(max_examples=40)
    @given(secrets, AROUND, AROUND)
    def survives(secret: str, before: str, after: str) -> None:
        # A word that follows without a space belongs to the secret.
        text = without_secrets(before + shape.format(secret) + after)
        assert secret not in text
        assert not any(line in text for line in secret.splitlines() if len(line) == 64)
        assert without_secrets(text) == text

    survives()


@given(
    st.lists(
        st.one_of(
            st.integers().map(str),
            st.datetimes().map(str),
            st.uuids().map(str),
            st.text("0123456789abcdef", min_size=32, max_size=64),
            st.from_regex(r"[1-9][0-9]{0,6}(_[0-9]{1,4}|\.[0-9])?", fullmatch=True),
            st.sampled_from(
                ["job", "pilot", "node", "exit", "error:", "stamp=", "id:", "CE", "/scratch/x.out"]
            ),
        )
    ).map(" ".join)
)
def test_numbers_stamps_and_moments_stay(text: str) -> None:
    assert without_secrets(text) == text


NASTY = {
    "one long word": "a",
    "dashes": "-",
    "names": "token_",
    "names and spaces": "token   ",
    "options": "--token-",
    "quotes": 'password="\\',
    "addresses": "://a:",
    "addresses without an end": "https://user:secret/",
    "questions": "?x-amz-&",
    "halves of keys": "-----BEGIN RSA PRIVATE KEY-----\n",
    "ends of keys": "abcd\n-----END RSA PRIVATE KEY-----",
    "almost ends": "abcd\n-----END ",
    "half tokens": "-eyJ",
    "dots": "eyJaaaaaaaa.",
    "prefixes": "ghp_",
    "gitlab": "glpat-",
    "bearers": "bearer ",
    "logins": "login a ",
    "users": " -u a",
    "cuts": "\n[...",
    "spaces": " ",
    "line ends": "\n",
}


def seconds(text: str) -> float:
    """Return the time that the processor works on a text: the best of a few."""
    best = float("inf")
    for _ in range(2):
        began = time.process_time()
        without_secrets(text)
        best = min(best, time.process_time() - began)
    return best


@pytest.mark.parametrize("piece", NASTY.values(), ids=NASTY)
def test_the_work_grows_with_the_text_and_no_faster(piece: str) -> None:
    def text(length: int) -> str:
        return (piece * (length // len(piece) + 1))[:length]

    small, large = seconds(text(2**14)), seconds(text(2**18))
    # The text is sixteen times as long: quadratic work would take 256 times as long.
    assert large < 64 * max(small, 0.001)


def test_the_end_of_a_text_has_no_half_of_a_secret() -> None:
    secret = "0123456789abcdef" * 8
    for length in range(1, 160, 7):
        assert "abcdef" not in end_of(f"begin\ntoken={secret} " + "x" * length, length + 20)
    assert end_of("a\n" * 100_000, 4) == "a\na\n"


def test_of_a_program_for_credentials_no_long_word_is_shown() -> None:
    assert without_long_words("no: 0123456789abcdef token=x") == "no: *** token=***"


class Talkative:
    """A driver with a secret in every answer."""

    def submit(self, orders: Sequence[Order]) -> list[Receipt]:
        return [Receipt(stamp=one.stamp, reason="token=hunter2") for one in orders]

    def poll(self, jobs: Sequence[Job]) -> list[Observed]:
        return [
            Observed(stamp=one.stamp, handle="1", raw="token=hunter2", reason="--password hunter2")
            for one in jobs
        ]

    def cancel(self, jobs: Sequence[Job]) -> list[Cancelled]:
        return [Cancelled(stamp=one.stamp, accepted=False, reason="token=hunter2") for one in jobs]

    def find(self) -> Listing:
        jobs = [Observed(stamp="0" * 32, handle="1", reason="secret: hunter2")]
        return Listing(jobs=jobs, complete=True, as_of=NOW)

    def output(self, job: Job) -> Output:
        return Output(text="token=hunter2")

    def hello(self) -> str:
        return "token=hunter2"


JOB = Job(stamp="0" * 32, handle="1")
CALLS: dict[str, Callable[[Guard], object]] = {
    "submit": lambda guard: guard.submit([Order(stamp="0" * 32, vo="default")]),
    "poll": lambda guard: guard.poll([JOB]),
    "cancel": lambda guard: guard.cancel([JOB]),
    "find": lambda guard: guard.find(),
    "output": lambda guard: guard.output(JOB),
    "hello": lambda guard: guard.hello(),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_no_answer_of_a_ce_holds_a_secret(call: Callable[[Guard], object]) -> None:
    answer = str(call(Guard(Talkative())))
    assert "***" in answer
    assert "hunter2" not in answer


def test_no_error_holds_a_secret() -> None:
    for error in (
        Unavailable("ssh", "password: hunter2"),
        DemandUnknown("https://me:hunter2@host/x"),
        Unreadable("token=hunter2", "squeue"),
    ):
        assert "hunter2" not in f"{error} {error.details} {error.args} {vars(error)}"


def test_no_log_line_holds_a_secret(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    try:
        root.handlers = []
        logs.set_up(wiring.settings())
        try:
            raise ValueError(f"https://me:{PASSWORD}@host")
        except ValueError:
            logging.getLogger("a").exception("token=%s", PASSWORD)
    finally:
        root.handlers = handlers
        root.setLevel(level)
    output = capsys.readouterr().err
    assert "token=***" in output
    assert "https://me:***@host" in output
    assert PASSWORD not in output
