"""The issuer: where people sign in by OpenID Connect, with the authorization code flow and PKCE.

Every answer of the issuer is limited in time and in size. Its keys and addresses are kept for ten
minutes.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, TypeVar
from urllib.parse import quote, urlencode

import anyio
import httpx
from pydantic import AfterValidator, BaseModel, ValidationError

from worker.domain.addresses import is_private, may_go_by_proxy
from worker.domain.errors import IssuerFailed, SignInFailed
from worker.domain.person import Person, person_of
from worker.domain.texts import one_line
from worker.domain.validation import place
from worker.web import id_tokens
from worker.web.id_tokens import Key
from worker.web.oidc_client import Client, PendingSignIn, word_of

PATIENCE = 10.0
"""Seconds for one step of a sign-in, with all its requests to the issuer."""

LARGEST_ANSWER = 1 << 20
"""The largest answer, in bytes."""

KEPT_FOR = 600.0
"""Seconds for which the addresses and keys of the issuer are kept."""

KEYS_AGAIN_AFTER = 60.0
"""Seconds to wait before the keys are fetched again because of an unknown key in a token."""

USUAL_SCOPES = ("profile", "email")

Read = TypeVar("Read", bound=BaseModel)


def _private(url: str) -> str:
    if not is_private(url):
        raise ValueError("it must begin with https://")
    return url


Address = Annotated[str, AfterValidator(_private)]


class Discovery(BaseModel):
    """The issuer's description of itself."""

    issuer: str
    authorization_endpoint: Address
    token_endpoint: Address
    jwks_uri: Address
    scopes_supported: list[str] | None = None
    token_endpoint_auth_methods_supported: list[str] = ["client_secret_basic"]


class Keys(BaseModel):
    """The public keys of an issuer."""

    keys: list[dict[str, Any]]


class Tokens(BaseModel):
    """The issuer's answer to a code. The access token is not used."""

    id_token: str


class Refusal(BaseModel):
    """The issuer's reason for a refusal."""

    error: str


class Issuer:
    """Asks an issuer who has signed in."""

    def __init__(
        self,
        client: Client,
        *,
        patience: float = PATIENCE,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.client = client
        self._patience = patience
        self._now = now
        self._discovery: Discovery | None = None
        self._keys: Sequence[Key] = ()
        self._kept_until = float("-inf")
        self._keys_again_at = float("-inf")
        self._lock = anyio.Lock()
        self._tls = httpx.create_ssl_context()

    async def page(self, pending: PendingSignIn, back: str) -> str:
        """Return the address at the issuer where the person signs in."""
        with _deadline(self._patience):
            discovery = await self._discover()
        query = {
            "response_type": "code",
            "client_id": self.client.id,
            "redirect_uri": back,
            "scope": " ".join(self._scopes(discovery)),
            "state": pending.state,
            "nonce": pending.nonce,
            "code_challenge": pending.challenge,
            "code_challenge_method": "S256",
        }
        sign = "&" if "?" in discovery.authorization_endpoint else "?"
        return f"{discovery.authorization_endpoint}{sign}{urlencode(query)}"

    async def person(self, pending: PendingSignIn, code: str, back: str) -> Person:
        """Return who has signed in, by the code that the issuer gave to the browser."""
        with _deadline(self._patience):
            token = await self._token(pending, code, back)
            key = await self._key(id_tokens.head_of(token))
        claims = id_tokens.verify(
            token, key, issuer=self.client.issuer, client=self.client.id, nonce=pending.nonce
        )
        return person_of(claims, self.client.claim, self.client.roles)

    def _scopes(self, discovery: Discovery) -> list[str]:
        """Return the scopes to request: of those that the issuer lists, the ones for the claim."""
        listed = discovery.scopes_supported
        if listed is None:
            return ["openid", *USUAL_SCOPES]
        wanted = dict.fromkeys((*USUAL_SCOPES, self.client.claim))
        return ["openid", *(scope for scope in wanted if scope in listed)]

    async def _discover(self) -> Discovery:
        """Return the issuer's description; if it is old, fetch it and the keys again."""
        async with self._lock:
            if self._discovery is None or self._now() >= self._kept_until:
                discovery = _read(Discovery, await self._get(self.client.address))
                if discovery.issuer != self.client.issuer:
                    raise IssuerFailed(
                        f"it calls itself {one_line(discovery.issuer, 200)}",
                        f"the setting oidc_issuer is {self.client.issuer}",
                    )
                self._keys = _read(Keys, await self._get(discovery.jwks_uri)).keys
                self._discovery = discovery
                self._kept_until = self._now() + KEPT_FOR
            return self._discovery

    async def _key(self, head: Mapping[str, Any]) -> Key:
        """Return the key of a token; fetch the keys again if the issuer may have a new one."""
        discovery = await self._discover()
        async with self._lock:
            key = id_tokens.key_for(head, self._keys)
            if key is None and self._now() >= self._keys_again_at:
                self._keys_again_at = self._now() + KEYS_AGAIN_AFTER
                self._keys = _read(Keys, await self._get(discovery.jwks_uri)).keys
                key = id_tokens.key_for(head, self._keys)
        if key is None:
            raise SignInFailed("the ID token has a signature by a key that is unknown")
        return key

    async def _token(self, pending: PendingSignIn, code: str, back: str) -> str:
        """Return the ID token that the issuer gives for a code."""
        discovery = await self._discover()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": back,
            "code_verifier": pending.verifier,
        }
        login = None
        if self.client.secret is None:
            form["client_id"] = self.client.id
        elif "client_secret_basic" in discovery.token_endpoint_auth_methods_supported:
            secret = self.client.secret.get_secret_value()
            login = httpx.BasicAuth(quote(self.client.id, safe=""), quote(secret, safe=""))
        else:
            form["client_id"] = self.client.id
            form["client_secret"] = self.client.secret.get_secret_value()
        status, body = await self._ask("POST", discovery.token_endpoint, form, login)
        if status == httpx.codes.OK:
            return _read(Tokens, body).id_token
        if status in (httpx.codes.BAD_REQUEST, httpx.codes.UNAUTHORIZED):
            raise SignInFailed(f"the issuer says {word_of(_read(Refusal, body).error)}")
        raise IssuerFailed(f"it answers with status {status}")

    async def _get(self, url: str) -> bytes:
        status, body = await self._ask("GET", url)
        if status != httpx.codes.OK:
            raise IssuerFailed(f"it answers with status {status}", url)
        return body

    async def _ask(
        self,
        method: str,
        url: str,
        form: Mapping[str, str] | None = None,
        login: httpx.Auth | None = None,
    ) -> tuple[int, bytes]:
        """Return status and body of an answer. No redirect is followed, nothing is decompressed."""
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        body = bytearray()
        try:
            async with (
                httpx.AsyncClient(
                    verify=self._tls, timeout=self._patience, trust_env=may_go_by_proxy(url)
                ) as client,
                client.stream(method, url, data=form, auth=login, headers=headers) as response,
            ):
                async for piece in response.aiter_raw():
                    body += piece
                    if len(body) > LARGEST_ANSWER:
                        raise IssuerFailed("its answer is too long", url)
        except httpx.TimeoutException:
            raise TimeoutError from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise IssuerFailed(one_line(str(error), 200) or type(error).__name__, url) from None
        return response.status_code, bytes(body)


@contextmanager
def _deadline(seconds: float) -> Iterator[None]:
    try:
        with anyio.fail_after(seconds):
            yield
    except TimeoutError:
        raise IssuerFailed(f"it has not answered within {seconds:g} s") from None


def _read(kind: type[Read], body: bytes) -> Read:
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        named = [part for part in (place(error.errors()[0]),) if part]
        raise IssuerFailed("its answer cannot be read", *named) from None
