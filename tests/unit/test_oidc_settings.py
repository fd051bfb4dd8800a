"""The settings of the issuer fit together, or are refused in one line at the start."""

from pathlib import Path

import pytest

from tests.expectations import PASSWORD, refused
from worker.domain.access import Access, Role
from worker.domain.errors import ConfigurationError
from worker.settings import Settings, load
from worker.web.oidc_client import client_of

ISSUER = 'oidc_issuer = "https://iam.example.org/"\n'
WHOLE = f'{ISSUER}oidc_client_id = "pilotage"\n'
ROLES = '[oidc_roles]\n"/admins" = "admin"\n"/lhcb" = "operate:lhcb"\n'


def settings(tmp_path: Path, text: str, **variables: str) -> Settings:
    path = tmp_path / "pilotage.toml"
    path.write_text(text, encoding="utf-8")
    return load({"PILOTAGE_CONFIG": str(path), **variables})


def test_without_an_issuer_there_is_no_client() -> None:
    assert client_of(load({})) is None


def test_the_settings_of_an_issuer(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(f"{PASSWORD}\n", encoding="utf-8")

    client = client_of(
        settings(tmp_path, WHOLE + ROLES, PILOTAGE_OIDC_CLIENT_SECRET_FILE=str(secret))
    )

    assert client is not None
    assert client.address == "https://iam.example.org/.well-known/openid-configuration"
    assert (client.issuer, client.id, client.claim, client.name) == (
        "https://iam.example.org/",
        "pilotage",
        "groups",
        "iam.example.org",
    )
    assert client.secret is not None
    assert client.secret.get_secret_value() == PASSWORD
    assert PASSWORD not in repr(client)
    assert client.roles == {
        "/admins": Access(role=Role.ADMIN),
        "/lhcb": Access(role=Role.OPERATE, vo="lhcb"),
    }


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (ISSUER, ["oidc_issuer is set, but oidc_client_id is not"]),
        (WHOLE, ["oidc_roles gives nobody a role"]),
        (f"{WHOLE}[oidc_roles]\n", ["oidc_roles gives nobody a role"]),
        ('oidc_client_id = "pilotage"\n', ["oidc_client_id is set, but oidc_issuer is not"]),
        (
            f'oidc_client_secret = "{PASSWORD}"',
            ["oidc_client_secret is set, but oidc_issuer is not"],
        ),
        (ROLES, ["oidc_roles is set, but oidc_issuer is not"]),
        (WHOLE + ROLES.replace('"admin"', '"admn"'), ["/admins", "did you mean 'admin'?"]),
        (WHOLE + ROLES.replace("operate:lhcb", "operate:"), ["/lhcb", "VO name"]),
        (WHOLE + ROLES.replace("operate:lhcb", "read:lhcb"), ["/lhcb", "not for one VO"]),
        (WHOLE + ROLES.replace('"operate:lhcb"', "7"), ["/lhcb"]),
        (WHOLE.replace("https", "http") + ROLES, ["must begin with https://"]),
        (WHOLE.replace("iam.example.org/", "iam.example.org/?a=b") + ROLES, ["oidc_issuer"]),
        (WHOLE.replace("https://", f"https://me:{PASSWORD}@") + ROLES, ["oidc_issuer"]),
        (WHOLE.replace("https://iam", "ftp://iam") + ROLES, ["oidc_issuer"]),
        (f'{WHOLE}oidc_name = ""\n{ROLES}', ["oidc_name"]),
    ],
)
def test_settings_that_do_not_fit_together_are_refused(
    tmp_path: Path, text: str, parts: list[str]
) -> None:
    with refused(ConfigurationError, *parts):
        settings(tmp_path, text)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8080", "[::1]:8080"])
def test_an_issuer_on_this_host_may_use_http(tmp_path: Path, host: str) -> None:
    text = WHOLE.replace("https://iam.example.org", f"http://{host}")

    assert client_of(settings(tmp_path, text + ROLES)) is not None


@pytest.mark.parametrize("host", ["localhost.example.org", "127.0.0.1.example.org", "10.0.0.1"])
def test_an_issuer_elsewhere_may_not(tmp_path: Path, host: str) -> None:
    text = WHOLE.replace("https://iam.example.org", f"http://{host}")

    with refused(ConfigurationError, "must begin with https://"):
        settings(tmp_path, text + ROLES)
