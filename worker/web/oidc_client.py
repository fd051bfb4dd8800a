"""The client of the issuer: its settings, and the state of a sign-in that has begun.

Every process imports this module at its start, so it imports no HTTP client. The requests are in
`issuer`.
"""

from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from secrets import compare_digest, token_urlsafe
from urllib.parse import urlsplit

from pydantic import SecretStr

from worker.domain.access import Access
from worker.domain.errors import SignInFailed
from worker.domain.texts import one_line
from worker.settings import Settings

BEGIN_AGAIN = "this sign-in was not begun in this browser, or too long ago; begin again"


@dataclass(frozen=True, kw_only=True)
class Client:
    """The registration of this Pilotage at its issuer, and the roles of people from there."""

    issuer: str
    id: str
    secret: SecretStr | None = None
    claim: str = "groups"
    roles: Mapping[str, Access]
    name: str
    home: str | None = None
    """The address at which people reach this Pilotage; `None` if it is that of their requests."""

    @property
    def address(self) -> str:
        return f"{self.issuer.rstrip('/')}/.well-known/openid-configuration"


def client_of(settings: Settings) -> Client | None:
    """Return the client that the settings describe; `None` if they name no issuer."""
    if settings.oidc_issuer is None or settings.oidc_client_id is None:
        return None
    return Client(
        issuer=settings.oidc_issuer,
        id=settings.oidc_client_id,
        secret=settings.oidc_client_secret,
        claim=settings.oidc_claim,
        roles=settings.oidc_roles,
        name=settings.oidc_name or urlsplit(settings.oidc_issuer).netloc,
        home=settings.web_url,
    )


@dataclass(frozen=True, kw_only=True)
class PendingSignIn:
    """A sign-in that has begun: three random texts, which the person's browser keeps in a cookie.

    The cookie is not signed, because a signature would protect nothing. A person who changes the
    cookie only breaks their own sign-in: the issuer has put the nonce into the ID token, and has
    the hash of the verifier. Other people can neither read nor set the cookie. Without a signature
    there is no key to share, so any process of the server can complete a sign-in that another one
    began.
    """

    state: str
    nonce: str
    verifier: str

    def __str__(self) -> str:
        return f"{self.state}.{self.nonce}.{self.verifier}"

    @property
    def challenge(self) -> str:
        digest = sha256(self.verifier.encode()).digest()
        return urlsafe_b64encode(digest).rstrip(b"=").decode()

    def require_state(self, state: str) -> None:
        """Refuse an answer that belongs to another sign-in than that of this browser."""
        if not compare_digest(self.state.encode(), state.encode("utf-8", "surrogatepass")):
            raise SignInFailed(BEGIN_AGAIN)


def begin() -> PendingSignIn:
    return PendingSignIn(state=token_urlsafe(), nonce=token_urlsafe(), verifier=token_urlsafe(48))


def read_pending(cookie: str | None) -> PendingSignIn:
    """Read the cookie of a sign-in that has begun."""
    parts = (cookie or "").split(".")
    if len(parts) != 3 or not all(parts):
        raise SignInFailed(BEGIN_AGAIN)
    state, nonce, verifier = parts
    return PendingSignIn(state=state, nonce=nonce, verifier=verifier)


def word_of(error: str) -> str:
    """Return the issuer's word for an error, such as `access_denied`, shortened and cleaned."""
    return one_line(error, 60)
