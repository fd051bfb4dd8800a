"""What the settings say of the issuer, and a sign-in that has begun at it.

It is read by every process as it starts, so that it knows no HTTP: see `issuer` for what is asked.
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

BEGIN_AGAIN = "it was not begun in this browser just now; begin again"


@dataclass(frozen=True, kw_only=True)
class Client:
    """What this Pilotage is to its issuer, and what people get who come from there."""

    issuer: str
    id: str
    secret: SecretStr | None = None
    claim: str = "groups"
    roles: Mapping[str, Access]
    name: str
    home: str | None = None
    """The address at which people reach this Pilotage, if it is not that of their requests."""

    @property
    def address(self) -> str:
        return f"{self.issuer.rstrip('/')}/.well-known/openid-configuration"


def client_of(settings: Settings) -> Client | None:
    """Return what the settings say of the issuer, if they name one."""
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
    """A sign-in that has begun: three random texts, which the browser of the person keeps.

    They are kept in a cookie as they are. A signature would protect nothing: whoever changes the
    cookie of their own browser ends their own sign-in, since the issuer has put the nonce into the
    ID token and has the hash of the verifier. Other people cannot read or set it, and with no key
    to share any process of the server can end what another one began.
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
        """Refuse an answer to another question than the one of this browser."""
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
    """Return the word of an issuer for an error, as `access_denied`; it comes from outside."""
    return one_line(error, 60)
