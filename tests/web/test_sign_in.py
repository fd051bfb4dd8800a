"""People sign in, by a link or at an issuer, and sign out; attackers cannot."""

import json
import logging
import re
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.cookies import Morsel, SimpleCookie
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from pydantic import SecretStr

from tests.factories import a_vo
from tests.http_servers import proxy_of_the_environment
from tests.services.world import World
from tests.web.apps import app_on
from tests.web.oidc_issuer import (
    ANOTHER,
    BY_SECRET,
    CLIENT,
    NO_SIGNER,
    ONE,
    SECRET,
    Signer,
    SmallIssuer,
    small_issuer,
)
from tests.web.threads import listening
from worker.db.database import Database
from worker.domain.access import Access, Role, access_of
from worker.services.operate import tokens
from worker.web import issuer as issuers
from worker.web.callers import COOKIE
from worker.web.issuer import Issuer
from worker.web.oidc_client import Client
from worker.web.paces import Pace
from worker.web.sign_in import PENDING_COOKIE

FREE = 10
"""Failed attempts before an address has to wait."""

ROLES = {
    "/pilotage/readers": Access(role=Role.READ),
    "/pilotage/operators": Access(role=Role.OPERATE),
    "/pilotage/admins": Access(role=Role.ADMIN),
    "/lhcb": access_of("operate:lhcb"),
}


@dataclass(kw_only=True)
class Site:
    """A server of Pilotage, its issuer if it has one, and browsers."""

    world: World
    address: str
    prefix: str = ""
    issuer: SmallIssuer
    asking: Issuer
    failures: Pace
    browsers: ExitStack

    def browser(self, **headers: str) -> httpx.Client:
        """Open a browser that follows redirects, and has no cookie yet."""
        client = httpx.Client(
            base_url=f"{self.address}{self.prefix}",
            follow_redirects=True,
            headers=headers,
            timeout=60,
            trust_env=False,
            verify=False,
        )
        return self.browsers.enter_context(client)

    def link(self, role: Role = Role.OPERATE, vo: str | None = None) -> str:
        return tokens.make_link(self.world.runtime(), "grace", role, vo).secret

    def use(self, browser: httpx.Client, secret: str) -> httpx.Response:
        return browser.post("/sign-in/link", json={"secret": secret})

    def signed_in(self) -> httpx.Client:
        """Open a browser that has signed in by a link."""
        browser = self.browser()
        assert self.use(browser, self.link()).status_code == 204
        return browser

    def begin(self, browser: httpx.Client) -> str:
        """Go to the issuer; return the address to go back to, without going there."""
        to_issuer = browser.get("/sign-in/oidc", follow_redirects=False)
        assert to_issuer.status_code == 303
        back = browser.get(to_issuer.headers["Location"], follow_redirects=False)
        return back.headers["Location"]


@contextmanager
def a_site(
    database: Database, folder: Path, *, prefix: str = "", waits: float = 60, **client: Any
) -> Iterator[Site]:
    """Open a site. Its server waits for the issuer long enough for any machine."""
    world = World(database, folder)
    with small_issuer() as issuer, ExitStack() as browsers:
        ours = {
            "issuer": issuer.address,
            "id": CLIENT,
            "secret": SecretStr(SECRET),
            "roles": ROLES,
            "name": "The <Grid>",
        }
        asking = Issuer(Client(**{**ours, **client}), patience=waits)
        app = app_on(world.runtime(), prefix=prefix, issuer=asking)
        with listening(app) as address:
            yield Site(
                world=world,
                address=address,
                prefix=prefix,
                issuer=issuer,
                asking=asking,
                failures=app.state.failures,
                browsers=browsers,
            )


Open = Callable[..., Site]


@pytest.fixture
def open_site(sqlite_database: Database, tmp_path: Path) -> Iterator[Open]:
    with ExitStack() as stack:

        def open_one(**settings: Any) -> Site:
            return stack.enter_context(a_site(sqlite_database, tmp_path, **settings))

        yield open_one


@pytest.fixture
def site(open_site: Open) -> Site:
    return open_site()


def cookies(response: httpx.Response) -> dict[str, "Morsel[str]"]:
    """Return the cookies that an answer sets."""
    morsels: dict[str, Morsel[str]] = {}
    for line in response.headers.get_list("set-cookie"):
        morsels |= SimpleCookie(line)
    return morsels


def error_line(response: httpx.Response) -> str:
    """Return the error that a page shows."""
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    [line] = re.findall(r'<p role="alert">(.*?)</p>', response.text)
    return str(line)


def is_signed_in(browser: httpx.Client) -> bool:
    return browser.get("/api/me").status_code == 200


# -- links


def test_a_link_signs_a_person_in(site: Site) -> None:
    browser = site.browser()

    answer = site.use(browser, site.link())

    assert answer.status_code == 204
    me = browser.get("/api/me").json()
    assert me.pop("expires_at").startswith("2026-03-02T00:00:00")
    assert me == {"name": "grace", "kind": "person", "role": "operate", "vo": None}


def test_the_cookie_of_a_session_is_for_this_site_alone(site: Site) -> None:
    cookie = cookies(site.use(site.browser(), site.link()))[COOKIE]

    assert cookie["httponly"]
    assert cookie["samesite"] == "strict"
    assert cookie["path"] == "/"
    assert cookie["max-age"] == str(12 * 3600)
    assert not cookie["secure"]


def test_behind_a_proxy_with_https_the_cookie_goes_by_https_alone(site: Site) -> None:
    browser = site.browser(**{"X-Forwarded-Proto": "https"})

    assert cookies(site.use(browser, site.link()))[COOKIE]["secure"]
    pending = cookies(browser.get("/sign-in/oidc", follow_redirects=False))[PENDING_COOKIE]
    assert pending["secure"]


def test_a_link_that_was_typed_signs_a_person_in(site: Site) -> None:
    browser, link = site.browser(), site.link()
    elsewhere = site.browser(Origin="https://elsewhere.example.org")

    answer = elsewhere.post("/sign-in", data={"secret": link})
    assert answer.status_code == 403
    assert "only pages of this console" in error_line(answer)
    assert "its proxy does not pass on the header Host" in error_line(answer)
    assert browser.post("/sign-in", data={"secret": ""}).status_code == 401
    home = browser.post("/sign-in", data={"secret": f" {site.address}/sign-in#{link}"})
    assert home.url.path == "/"
    assert is_signed_in(browser)
    again = site.browser().post("/sign-in", data={"secret": link})
    assert again.status_code == 401
    assert "this link was used before" in error_line(again)


def test_a_link_is_used_once(site: Site) -> None:
    secret = site.link()
    site.use(site.browser(), secret)
    late = site.browser()

    answer = site.use(late, secret)

    assert answer.status_code == 401
    assert answer.json()["detail"].endswith(
        "this link was used before, or has expired; make another"
    )
    assert not cookies(answer)
    assert not is_signed_in(late)


def test_of_many_who_use_a_link_at_the_same_moment_one_is_signed_in(
    database: Database, tmp_path: Path
) -> None:
    people = 6
    with a_site(database, tmp_path) as site, ThreadPoolExecutor(people) as pool:
        secret = site.link()
        browsers = [site.browser() for _ in range(people)]
        together = threading.Barrier(people)

        def use(browser: httpx.Client) -> int:
            together.wait()
            return site.use(browser, secret).status_code

        assert sorted(pool.map(use, browsers)) == [204] + [401] * (people - 1)


def test_a_link_is_over_after_ten_minutes(site: Site) -> None:
    secret = site.link()
    site.world.wait(minutes=10)

    assert site.use(site.browser(), secret).status_code == 401


def test_a_session_is_over_after_twelve_hours(site: Site) -> None:
    browser = site.signed_in()
    site.world.wait(hours=12)

    assert browser.get("/api/me").status_code == 401


@pytest.mark.parametrize("body", ['{"secret": ""}', "{}", '{"secret": "x", "more": 1}', "[", '""'])
def test_what_is_no_secret_is_refused(site: Site, body: str) -> None:
    answer = site.browser().post(
        "/sign-in/link", content=body, headers={"Content-Type": "application/json"}
    )

    assert answer.status_code == 422


def test_the_secret_of_a_session_or_a_token_is_no_link(site: Site) -> None:
    token = tokens.create(site.world.runtime(), "nightly", Role.READ)
    session = site.signed_in().cookies[COOKIE]

    for secret in (token.secret, session):
        assert site.use(site.browser(), secret).status_code == 401


def test_another_site_cannot_sign_a_browser_in(site: Site) -> None:
    secret = site.link()
    elsewhere = site.browser(Origin="https://elsewhere.example.org")

    assert site.use(elsewhere, secret).status_code == 403
    assert site.use(site.browser(Origin=site.address), secret).status_code == 204


def test_who_guesses_links_has_to_wait_and_so_has_who_guesses_tokens(site: Site) -> None:
    site.failures._now = lambda: 0.0  # no failure expires meanwhile
    browser = site.browser()
    guesses = [site.use(browser, f"pilotage_{number:043}").status_code for number in range(FREE)]
    assert set(guesses) == {401}

    answer = site.use(browser, site.link())

    assert answer.status_code == 429
    assert "try again in" in answer.json()["detail"]
    token = browser.get("/api/me", headers={"Authorization": "Bearer pilotage_x"})
    assert (token.status_code, browser.get("/sign-in").status_code) == (429, 429)


def test_who_fails_at_the_issuer_too_often_has_to_wait(site: Site) -> None:
    site.failures._now = lambda: 0.0
    browser = site.browser()
    guesses = [browser.get("/sign-in/oidc/back?state=x&code=x") for _ in range(FREE)]

    assert {guess.status_code for guess in guesses} == {403}
    assert browser.get("/sign-in/oidc/back?state=x&code=x").status_code == 429


# -- what a session may


def test_a_token_says_who_it_is(site: Site) -> None:
    site.world.vo(a_vo().named("lhcb"))
    token = tokens.create(site.world.runtime(), "nightly", Role.OPERATE, "lhcb")

    me = site.browser(Authorization=f"Bearer {token.secret}").get("/api/me").json()

    assert {**me, "expires_at": ""} == {
        "name": "nightly",
        "kind": "token",
        "role": "operate",
        "vo": "lhcb",
        "expires_at": "",
    }


def test_who_signs_out_is_out(site: Site) -> None:
    browser = site.signed_in()
    secret = browser.cookies[COOKIE]

    answer = browser.post("/sign-out", headers={"Origin": site.address})

    assert answer.status_code == 204
    assert cookies(answer)[COOKIE]["max-age"] == "0"
    assert COOKIE not in browser.cookies
    browser = site.browser(Cookie=f"{COOKIE}={secret}")
    assert browser.get("/api/me").status_code == 401


def test_a_token_does_not_sign_out(site: Site) -> None:
    token = tokens.create(site.world.runtime(), "nightly", Role.READ)
    program = site.browser(Authorization=f"Bearer {token.secret}")

    assert program.post("/sign-out").status_code == 403
    assert is_signed_in(program)


def test_who_is_not_signed_in_cannot_sign_out(site: Site) -> None:
    assert site.browser().post("/sign-out", headers={"Origin": site.address}).status_code == 401


@pytest.mark.parametrize(
    "origin", [None, "null", "http://elsewhere.example.org", "http://127.0.0.1:1", "http://[", ""]
)
def test_a_session_changes_nothing_from_another_site(site: Site, origin: str | None) -> None:
    browser = site.signed_in()
    headers = {} if origin is None else {"Origin": origin}

    for path in ("/sign-out", "/api/my_pilots/submit/lyon"):
        answer = browser.post(path, headers=headers)
        assert answer.status_code == 403
        assert "only pages of this console" in answer.json()["detail"]
        advice = "use a token" if origin is None else "its proxy does not pass on the header Host"
        assert answer.json()["detail"].endswith(advice)
    assert is_signed_in(browser)


def test_a_session_changes_things_from_its_own_pages(site: Site) -> None:
    ce = site.world.ce()
    browser = site.signed_in()

    answer = browser.post(f"/api/my_pilots/submit/{ce.name}", headers={"Origin": site.address})

    assert answer.status_code == 200


# -- the page


def test_the_page_has_what_it_needs_of_this_site_alone(site: Site) -> None:
    browser = site.browser()
    page = browser.get("/sign-in")

    assert page.status_code == 200
    assert "Sign in with The &lt;Grid&gt;" in page.text
    addresses = re.findall(r'(?:src|href|data-use)="([^"]*)"', page.text)
    assert "/sign-in/script.js" in addresses
    assert all(address.startswith("/sign-in/") for address in addresses)
    assert not re.search(r"<style|style=|<script>|\son\w+=", page.text)
    assert browser.get("/sign-in/script.js").headers["content-type"].startswith("text/javascript")
    assert browser.get("/sign-in/style.css").headers["content-type"].startswith("text/css")


def test_without_an_issuer_the_page_offers_a_link_alone(
    sqlite_database: Database, tmp_path: Path
) -> None:
    world = World(sqlite_database, tmp_path)
    with listening(app_on(world.runtime())) as address:
        page = httpx.get(f"{address}/sign-in", trust_env=False)
        answer = httpx.get(f"{address}/sign-in/oidc", trust_env=False)

    assert "Sign in with a link" in page.text
    assert "oidc" not in page.text
    assert answer.status_code == 403
    assert error_line(answer).startswith("The sign-in failed: no issuer is set up here")


# -- the issuer


def test_a_person_signs_in_at_the_issuer(site: Site) -> None:
    browser = site.browser()

    page = browser.get("/sign-in/oidc")

    assert page.status_code == 200
    assert "You are signed in" in page.text
    assert '<meta http-equiv="refresh" content="0; url=/">' in page.text
    me = browser.get("/api/me").json()
    assert (me["name"], me["kind"], me["role"], me["vo"]) == ("ada", "person", "operate", None)
    assert PENDING_COOKIE not in browser.cookies


def test_the_cookies_of_a_sign_in_at_the_issuer(site: Site) -> None:
    browser = site.browser()
    pending = cookies(browser.get("/sign-in/oidc", follow_redirects=False))[PENDING_COOKIE]

    assert pending["httponly"]
    assert pending["samesite"] == "lax"
    assert pending["path"] == "/sign-in/oidc"
    assert pending["max-age"] == "600"

    cookies_of_answer = cookies(browser.get(site.begin(browser)))
    assert cookies_of_answer[COOKIE]["samesite"] == "strict"
    assert cookies_of_answer[COOKIE]["httponly"]
    assert cookies_of_answer[PENDING_COOKIE]["max-age"] == "0"


def test_no_secret_is_in_an_address_or_in_the_log(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    browser = site.browser()
    with caplog.at_level(logging.INFO, "worker"):
        to_issuer = browser.get("/sign-in/oidc", follow_redirects=False).headers["Location"]
        pending = browser.cookies[PENDING_COOKIE]
        back = browser.get(to_issuer, follow_redirects=False).headers["Location"]
        browser.get(back)
        browser.get(back)
    secrets = [pending.split(".")[2], SECRET, browser.cookies[COOKIE]]
    [code] = re.findall(r"code=([^&]+)", back)

    log = "\n".join(one.getMessage() for one in caplog.records if "worker" in one.name)
    assert "ada has signed in; the role is operate" in log
    assert "a sign-in failed" in log
    for secret in secrets:
        assert secret not in to_issuer
        assert secret not in back
        assert secret not in log
    assert code not in log


def test_a_change_has_the_name_of_the_person_on_it(site: Site) -> None:
    site.issuer.person["groups"] = ["/pilotage/admins"]
    browser = site.browser()
    browser.get("/sign-in/oidc")
    site.world.vo(a_vo().named("lhcb"))

    answer = browser.patch("/api/vos/lhcb", json={"share": 2}, headers={"Origin": site.address})
    assert answer.status_code == 200, answer.text
    changes = browser.get("/api/audit", params={"since": "2020-01-01T00:00"}).json()["items"]

    assert changes[0]["who"] == "ada (person)"


def test_a_public_client_has_no_secret(open_site: Open) -> None:
    site = open_site(secret=None)
    site.issuer.secret = None
    browser = site.browser()

    assert browser.get("/sign-in/oidc").status_code == 200
    assert is_signed_in(browser)


def test_the_secret_goes_in_the_form_where_the_issuer_wants_it_there(site: Site) -> None:
    site.issuer.discovery = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}

    assert site.browser().get("/sign-in/oidc").status_code == 200


def test_the_claim_is_asked_for_where_the_issuer_lists_it(site: Site) -> None:
    site.issuer.discovery = {"scopes_supported": ["openid", "groups", "email", "offline_access"]}
    site.browser().get("/sign-in/oidc")

    assert site.issuer.last["scope"] == "openid email groups"


@pytest.mark.parametrize(
    ("groups", "role", "vo"),
    [
        (["/other", "/pilotage/readers"], "read", None),
        (["/pilotage/readers", "/pilotage/admins", "/pilotage/operators"], "admin", None),
        (["/lhcb", "/pilotage/operators"], "operate", None),
        (["/lhcb", "/pilotage/readers"], "operate", "lhcb"),
        ("/pilotage/readers", "read", None),
    ],
)
def test_the_highest_role_of_all_values_counts(
    site: Site, groups: object, role: str, vo: str | None
) -> None:
    site.world.vo(a_vo().named("lhcb"))
    site.issuer.person["groups"] = groups
    browser = site.browser()
    browser.get("/sign-in/oidc")

    me = browser.get("/api/me").json()
    assert (me["role"], me["vo"]) == (role, vo)


@pytest.mark.parametrize("groups", [["/other", "/pilotage/ADMINS"], [], None, 7, {"a": 1}])
def test_who_has_no_role_is_told_whom_to_ask(site: Site, groups: object) -> None:
    site.issuer.person["groups"] = groups
    browser = site.browser()

    page = browser.get("/sign-in/oidc")

    assert page.status_code == 403
    assert "ada has no role here" in error_line(page)
    assert "ask the operators of this Pilotage for a role" in error_line(page)
    assert not is_signed_in(browser)


@pytest.mark.parametrize(
    ("flag", "status"), [(True, 200), (False, 403), ("true", 403), (None, 403)]
)
def test_an_email_counts_where_it_is_verified(open_site: Open, flag: object, status: int) -> None:
    site = open_site(claim="email", roles={"ada@example.org": Access(role=Role.READ)})
    site.issuer.person |= {"email": "ada@example.org", "email_verified": flag}

    assert site.browser().get("/sign-in/oidc").status_code == status


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({"preferred_username": None, "email": "a@b.org", "email_verified": True}, "a@b.org"),
        ({"preferred_username": None, "email": "a@b.org"}, "8d3e"),
        ({"preferred_username": "Ada Lovelace"}, "Ada Lovelace"),
        ({"preferred_username": "Ádá"}, "Ádá"),
    ],
)
def test_the_name_of_a_person(site: Site, claims: dict[str, Any], name: str) -> None:
    site.issuer.claims = claims
    browser = site.browser()
    browser.get("/sign-in/oidc")

    assert browser.get("/api/me").json()["name"] == name


@pytest.mark.parametrize("name", ["x" * 129, "a\nb", "a\u202eb", " a", "\ud800", "a\0", 7, ["a"]])
def test_a_name_that_cannot_stand_in_the_audit_is_refused(site: Site, name: object) -> None:
    site.issuer.claims = {"preferred_username": name}

    page = site.browser().get("/sign-in/oidc")

    assert page.status_code == 403
    assert "a name that cannot be used" in error_line(page)


def test_what_the_issuer_says_of_a_person_is_text_on_the_page(site: Site) -> None:
    site.issuer.person |= {"preferred_username": "<b>ada", "groups": ["<script>alert(1)</script>"]}

    page = site.browser().get("/sign-in/oidc")

    assert "&lt;b&gt;ada has no role here" in error_line(page)
    assert "<script>alert" not in page.text


def test_a_role_for_a_vo_that_is_not_there_is_one_line(site: Site) -> None:
    site.issuer.person["groups"] = ["/lhcb"]

    page = site.browser().get("/sign-in/oidc")

    assert page.status_code == 404
    assert "There is no VO of this name: lhcb" in error_line(page)


def test_the_issuer_sends_people_back_to_the_address_that_is_set(open_site: Open) -> None:
    site = open_site(home="https://pilotage.example.org/grid")
    to_issuer = site.browser().get("/sign-in/oidc", follow_redirects=False).headers["Location"]

    back = "https%3A%2F%2Fpilotage.example.org%2Fgrid%2Fsign-in%2Foidc%2Fback"
    assert f"redirect_uri={back}&" in to_issuer


# -- attacks


def test_an_answer_with_another_state_is_refused(site: Site) -> None:
    browser = site.browser()
    back = re.sub("state=[^&]+", "state=other", site.begin(browser))

    page = browser.get(back)

    assert page.status_code == 403
    assert "this sign-in was not begun in this browser, or too long ago; begin again" in error_line(
        page
    )
    assert site.issuer.request_counts["/token"] == 0
    assert not is_signed_in(browser)


def test_the_answer_for_one_browser_does_not_sign_in_another(site: Site) -> None:
    mine, theirs = site.browser(), site.browser()
    back = site.begin(mine)
    site.begin(theirs)

    assert theirs.get(back).status_code == 403
    assert site.browser().get(back).status_code == 403
    assert mine.get(back).status_code == 200


def test_an_answer_is_used_once(site: Site) -> None:
    browser = site.browser()
    back = site.begin(browser)
    assert browser.get(back).status_code == 200

    again = browser.get(back)

    assert again.status_code == 403
    assert not cookies(again).get(COOKIE)
    assert site.issuer.request_counts["/token"] == 1


def test_a_code_is_used_once(site: Site) -> None:
    browser = site.browser()
    back = site.begin(browser)
    pending = browser.cookies[PENDING_COOKIE]
    browser.get(back)

    page = site.browser(Cookie=f"{PENDING_COOKIE}={pending}").get(back)

    assert page.status_code == 403
    assert "the issuer says invalid_grant" in error_line(page)


def test_the_code_of_somebody_else_is_of_no_use(site: Site) -> None:
    """A thief of a code cannot use it in another sign-in: PKCE forbids it."""
    theirs = site.begin(site.browser())
    [code] = re.findall("code=([^&]+)", theirs)
    browser = site.browser()
    mine = re.sub("code=[^&]+", f"code={code}", site.begin(browser))

    page = browser.get(mine)

    assert "the issuer says invalid_grant" in error_line(page)
    assert not is_signed_in(browser)


def test_the_answer_of_another_issuer_is_refused(site: Site) -> None:
    browser = site.browser()
    back = re.sub("iss=[^&]+", "iss=https://elsewhere.example.org", site.begin(browser))

    assert "the answer of another issuer" in error_line(browser.get(back))
    assert site.issuer.request_counts["/token"] == 0


@pytest.mark.parametrize("cookie", ["", ".", "..", "a.b", "a.b.c.d", "\xff"])
def test_a_cookie_that_is_none_of_ours_is_refused(site: Site, cookie: str) -> None:
    header = [(b"Cookie", f"{PENDING_COOKIE}={cookie}".encode("latin-1"))]

    page = site.browser().get("/sign-in/oidc/back?state=&code=x", headers=header)

    assert page.status_code == 403


def test_what_the_issuer_refuses_is_one_line(site: Site) -> None:
    site.issuer.refusal = "access_denied\n<b>" + "x" * 500

    page = site.browser().get("/sign-in/oidc")

    assert page.status_code == 403
    line = error_line(page)
    assert line.startswith("The sign-in failed: the issuer says access_denied &lt;b&gt;xxx")
    assert len(line) < 150


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"nonce": "other"}, "is for another sign-in"),
        ({"nonce": "\ud800"}, "is for another sign-in"),
        ({"nonce": None}, "a claim is missing"),
        ({"aud": "another"}, "it is for another client"),
        ({"aud": ["another", "third"]}, "it is for another client"),
        ({"aud": [CLIENT, "another"]}, "is for another client"),
        ({"aud": [CLIENT, "another"], "azp": "another"}, "is for another client"),
        ({"azp": "another"}, "is for another client"),
        ({"exp": 1}, "it has expired"),
        ({"exp": None}, "a claim is missing"),
        ({"iat": 2**33}, "it is not valid yet"),
        ({"iss": "https://elsewhere.example.org"}, "it is of another issuer"),
        ({"sub": None}, "a claim is missing"),
    ],
)
def test_an_id_token_for_something_else_is_refused(
    site: Site, claims: dict[str, Any], reason: str
) -> None:
    site.issuer.claims = claims
    browser = site.browser()

    page = browser.get("/sign-in/oidc")

    assert page.status_code == 403
    assert reason in error_line(page)
    assert not is_signed_in(browser)


def test_an_id_token_for_several_clients_names_us(site: Site) -> None:
    site.issuer.claims = {"aud": [CLIENT, "another"], "azp": CLIENT}

    assert site.browser().get("/sign-in/oidc").status_code == 200


@pytest.mark.parametrize(
    ("signer", "reason"),
    [
        (NO_SIGNER, "a signature of a kind that is not accepted: none"),
        (BY_SECRET, "a signature of a kind that is not accepted: HS256"),
        (Signer("one", "ES256", ANOTHER.key), "a signature of another kind than its key"),
        (Signer("one", "RS512", ONE.key), "a signature of another kind than its key"),
        (ANOTHER, "a signature by a key that is unknown"),
    ],
)
def test_an_id_token_with_another_signature_is_refused(
    site: Site, signer: Signer, reason: str
) -> None:
    site.issuer.signer = signer
    browser = site.browser()

    page = browser.get("/sign-in/oidc")

    assert page.status_code == 403
    assert reason in error_line(page)
    assert not is_signed_in(browser)


def test_an_id_token_that_was_changed_is_refused(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forge(claims: dict[str, Any]) -> str:
        head, _, signature = ONE.sign(claims).split(".")
        other = jwt.utils.base64url_encode(
            json.dumps({**claims, "groups": ["/pilotage/admins"]}).encode()
        ).decode()
        return f"{head}.{other}.{signature}"

    signer = Signer("one", "RS256", ONE.key)
    monkeypatch.setattr(signer, "sign", forge)
    site.issuer.signer = signer

    page = site.browser().get("/sign-in/oidc")

    assert page.status_code == 403
    assert "its signature is wrong" in error_line(page)


def test_a_new_key_of_the_issuer_is_used_at_once_and_asked_for_once_a_minute(site: Site) -> None:
    site.browser().get("/sign-in/oidc")
    assert site.issuer.request_counts["/keys"] == 1

    site.issuer.public_keys, site.issuer.signer = [ONE, ANOTHER], ANOTHER
    assert site.browser().get("/sign-in/oidc").status_code == 200
    assert site.issuer.request_counts["/keys"] == 2

    site.issuer.signer = Signer("third", "RS256", ONE.key)
    site.asking._now = lambda: 0.0  # no minute passes
    for _ in range(3):
        assert "by a key that is unknown" in error_line(site.browser().get("/sign-in/oidc"))
    assert site.issuer.request_counts["/keys"] == 2


def test_what_the_issuer_says_of_itself_is_kept_for_ten_minutes(site: Site) -> None:
    clock = 1000.0
    site.asking._now = lambda: clock
    discovery = "/.well-known/openid-configuration"

    for _ in range(3):
        site.browser().get("/sign-in/oidc")
    assert (site.issuer.request_counts[discovery], site.issuer.request_counts["/keys"]) == (1, 1)
    clock += issuers.KEPT_FOR
    site.browser().get("/sign-in/oidc")
    assert (site.issuer.request_counts[discovery], site.issuer.request_counts["/keys"]) == (2, 2)


# -- an issuer that does not work

PATHS = ["/.well-known/openid-configuration", "/keys", "/token"]


@pytest.mark.parametrize("path", PATHS)
def test_an_issuer_that_does_not_answer_is_not_waited_for(open_site: Open, path: str) -> None:
    site = open_site(waits=1)
    site.issuer.mute.add(path)

    page = site.browser().get("/sign-in/oidc")

    assert page.status_code == 502
    assert error_line(page).endswith("cannot be used: it has not answered within 1 s.")


@pytest.mark.parametrize("path", PATHS)
def test_an_answer_that_never_ends_is_cut(site: Site, path: str) -> None:
    site.issuer.endless.add(path)

    page = site.browser().get("/sign-in/oidc")

    assert page.status_code == 502
    assert "its answer is too long" in error_line(page)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (500, b"oh", "it answers with status 500"),
        (302, b"", "it answers with status 302"),
        (200, b"<html>", "its answer cannot be read"),
        (200, b"[" * 100_000, "its answer cannot be read"),
        (200, b"{}", "its answer cannot be read"),
    ],
)
def test_an_answer_that_is_none_is_one_line(
    site: Site, path: str, status: int, body: bytes, reason: str
) -> None:
    site.issuer.replies[path] = status, body

    page = site.browser().get("/sign-in/oidc")

    assert page.status_code == 502
    assert reason in error_line(page)


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "é.é.é", 7])
def test_an_id_token_that_is_none_is_one_line(site: Site, token: object) -> None:
    body = json.dumps({"id_token": token}).encode()
    site.issuer.replies["/token"] = 200, body

    page = site.browser().get("/sign-in/oidc")

    assert page.status_code == 502
    assert "cannot be read" in error_line(page)


@pytest.mark.parametrize(
    "key",
    [{}, {"kty": "RSA"}, {"kty": "RSA", "n": "x", "e": 7}, {"kty": "oct", "k": "eA"}, {"kty": 7}],
)
def test_a_key_that_is_none_is_one_line(site: Site, key: dict[str, Any]) -> None:
    body = json.dumps({"keys": [{**key, "kid": "one"}]}).encode()
    site.issuer.replies["/keys"] = 200, body

    page = site.browser().get("/sign-in/oidc")

    assert page.status_code == 403
    assert "the ID token is refused" in error_line(page)


def test_an_issuer_that_is_down_is_one_line(open_site: Open) -> None:
    with socket.create_server(("127.0.0.1", 0)) as socket_without_listener:
        port = socket_without_listener.getsockname()[1]
    site = open_site(issuer=f"http://127.0.0.1:{port}")

    page = site.browser().get("/sign-in/oidc")

    assert page.status_code == 502
    assert "cannot be used" in error_line(page)
    assert site.use(site.browser(), site.link()).status_code == 204


def test_an_issuer_that_is_down_locks_nobody_out(site: Site) -> None:
    site.issuer.replies["/.well-known/openid-configuration"] = 500, b""
    browser = site.browser()

    assert {browser.get("/sign-in/oidc").status_code for _ in range(3 * FREE)} == {502}


def test_an_issuer_that_calls_itself_otherwise_is_refused(site: Site) -> None:
    site.issuer.discovery = {"issuer": f"{site.issuer.address}/"}

    page = site.browser().get("/sign-in/oidc")

    assert page.status_code == 502
    assert f"it calls itself {site.issuer.address}/" in error_line(page)


@pytest.mark.parametrize("endpoint", ["authorization_endpoint", "token_endpoint", "jwks_uri"])
@pytest.mark.parametrize("address", ["http://issuer.example.org/x", "javascript:alert(1)", "x"])
def test_an_issuer_that_sends_people_over_http_is_refused(
    site: Site, endpoint: str, address: str
) -> None:
    site.issuer.discovery = {endpoint: address}

    page = site.browser().get("/sign-in/oidc")

    assert page.status_code == 502
    assert f"its answer cannot be read: {endpoint}" in error_line(page)


def test_the_secret_for_an_issuer_on_this_host_goes_by_no_proxy_of_the_environment(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = site.browser()
    with proxy_of_the_environment(monkeypatch) as by_proxy:
        browser.get("/sign-in/oidc")

    assert by_proxy == []
    assert is_signed_in(browser)


# -- behind a proxy


@pytest.mark.parametrize("strips", [False, True])
def test_all_works_behind_a_prefix(open_site: Open, strips: bool) -> None:
    """A proxy may pass the prefix of a path on, or remove it."""
    site = open_site(prefix="/pilotage")
    browser = site.browser()
    visitor = site.browser()
    if strips:
        visitor.base_url = httpx.URL(site.address)

    page = visitor.get("/sign-in")
    assert {address.split("/")[1] for address in re.findall(r'="(/[^"]*)"', page.text)} == {
        "pilotage"
    }
    assert visitor.get("/sign-in/script.js").status_code == 200
    cookie = cookies(site.use(visitor, site.link()))[COOKIE]
    assert cookie["path"] == "/pilotage"

    assert browser.get("/sign-in/oidc").status_code == 200
    back = site.issuer.last["redirect_uri"]
    assert back == f"{site.address}/pilotage/sign-in/oidc/back"
    assert is_signed_in(browser)
    assert browser.post("/sign-out", headers={"Origin": site.address}).status_code == 204
    assert not is_signed_in(browser)
