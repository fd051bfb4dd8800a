"""The options of an ARC CE, and values that are refused."""

from typing import Any

import pytest

from worker.backends import registry
from worker.backends.arc.names import ArcJobName, is_job_id, job_name, read_name
from worker.backends.arc.options import ArcOptions
from worker.domain.credential import CredentialKind
from worker.domain.errors import Invalid

STAMP = "0123456789abcdef" * 2


def read(**options: Any) -> ArcOptions:
    values = {"url": "https://ce.example.org", **options}
    checked_options = registry.check_options(registry.discover(), "arc", values)
    assert isinstance(checked_options, ArcOptions)
    return checked_options


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://ce.example.org", "https://ce.example.org/arex"),
        ("https://ce.example.org/", "https://ce.example.org/arex"),
        ("https://ce.example.org:443/arex", "https://ce.example.org:443/arex"),
        ("https://ce.example.org/site/arex/", "https://ce.example.org/site/arex"),
        ("https://[::1]:8443", "https://[::1]:8443/arex"),
    ],
)
def test_the_address_of_a_ce_is_that_of_its_arex(text: str, url: str) -> None:
    assert read(url=text).url == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ce.example.org",
        "http://ce.example.org",
        "https://",
        "https://me:secret@ce.example.org",
        "https://ce.example.org/arex?action=new",
        "https://ce.example.org/arex#x",
        "https://ce.example.org:99999",
        "https://ce.example.org/a b",
        "https://ce.example.org/\nX: y",
    ],
)
def test_another_address_is_refused(url: str) -> None:
    with pytest.raises(Invalid) as error:
        read(url=url)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"queue": "a\nb"},
        {"queue": ""},
        {"command": " "},
        {"command": []},
        {"command": ["", "a"]},
        {"command": ["a\0"]},
        {"environment": {"A B": "x"}},
        {"environment": {"A": "x\ny"}},
        {"version": "2.0"},
        {"authentication": "password"},
        {"walltime": 0},
        {"call_timeout": 10_000},
        {"runtime_environments": ["a\x00"]},
        {"quue": "long"},
    ],
)
def test_what_does_not_fit_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        read(**wrong)


def test_which_credential_is_asked_for() -> None:
    assert read().credential is CredentialKind.PROXY
    assert read(authentication="token").credential is CredentialKind.TOKEN


@pytest.mark.parametrize("ce", ["lyon", "site/arc-1@queue:gpu", "x" * 128])
def test_the_name_of_a_job_tells_its_stamp_and_its_ce(ce: str) -> None:
    assert read_name("pilotage", job_name("pilotage", STAMP, ce)) == ArcJobName(STAMP, ce)
    assert len(job_name("p" * 24, STAMP, ce)) <= 200


def test_the_name_that_earlier_versions_wrote_tells_the_stamp() -> None:
    assert read_name("pilotage", f"pilotage-{STAMP}") == ArcJobName(STAMP)


@pytest.mark.parametrize(
    "name",
    [
        None,
        "",
        STAMP,
        f"other-{STAMP}",
        f"pilotage-{STAMP}0",
        f"pilotage-{STAMP[:-1]}",
        f"pilotage-{STAMP.upper()}",
        f"pilotage-{STAMP}\n",
        f"pilotage-{STAMP}@",
        f"pilotage-x-{STAMP}",
    ],
)
def test_another_name_is_not_ours(name: str | None) -> None:
    assert read_name("pilotage", name) is None


def test_one_prefix_may_begin_another() -> None:
    assert read_name("pilotage-x", job_name("pilotage-x", STAMP, "lyon")) == ArcJobName(
        STAMP, "lyon"
    )
    assert read_name("pilotage", job_name("pilotage-x", STAMP, "lyon")) is None


@pytest.mark.parametrize("handle", ["ANJODmX90oAoOSAtDmABFKDmuFsDtn", "f00ba4", "a-b_c"])
def test_an_id_as_arex_makes_it(handle: str) -> None:
    assert is_job_id(handle)


@pytest.mark.parametrize("handle", ["", " ", "../x", "a/b", "a b", "-1", "a?b", "ü", "a" * 129])
def test_what_can_be_no_id(handle: str) -> None:
    assert not is_job_id(handle)
