"""ID tokens: the issuer's signed statements about who has signed in."""

from collections.abc import Mapping, Sequence
from secrets import compare_digest
from typing import Any

import jwt

from worker.domain.errors import IssuerFailed, SignInFailed
from worker.domain.person import Claims
from worker.domain.texts import one_line

ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA"),
)
"""The accepted signatures: those with a key that only the issuer has.

Tokens without a signature, or signed with a shared secret, are refused.
"""

LEEWAY = 60
"""Seconds by which the clocks of the issuer and of this host may differ."""

Key = Mapping[str, Any]


def head_of(token: str) -> Mapping[str, Any]:
    """Return the header of a token, with its key and algorithm; nothing is verified yet."""
    try:
        head = jwt.get_unverified_header(token)
    except jwt.PyJWTError:
        raise IssuerFailed("its ID token cannot be read") from None
    if head.get("alg") not in ALGORITHMS:
        raise SignInFailed(
            "the ID token has a signature of a kind that is not accepted", _shown(head.get("alg"))
        )
    return head


def key_for(head: Mapping[str, Any], keys: Sequence[Key]) -> Key | None:
    """Return the key that a token names. If it names none, return the only key."""
    signing = [key for key in keys if key.get("use", "sig") == "sig"]
    if "kid" not in head:
        return signing[0] if len(signing) == 1 else None
    return next((key for key in signing if key.get("kid") == head["kid"]), None)


def verify(token: str, key: Key, *, issuer: str, client: str, nonce: str) -> Claims:
    """Return the claims of a token, if the issuer made it for this sign-in and it is valid now."""
    algorithm = head_of(token)["alg"]
    if key.get("alg", algorithm) != algorithm:
        raise SignInFailed("the ID token has a signature of another kind than its key")
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            jwt.PyJWK(dict(key), algorithm),
            algorithms=[algorithm],
            audience=client,
            issuer=issuer,
            leeway=LEEWAY,
            options={"require": ["iss", "sub", "aud", "exp", "iat", "nonce"]},
        )
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise SignInFailed("the ID token is refused", _reason(error)) from None
    if not compare_digest(str(claims["nonce"]).encode("utf-8", "surrogatepass"), nonce.encode()):
        raise SignInFailed("the ID token is for another sign-in")
    several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
    if claims.get("azp", None if several else client) != client:
        raise SignInFailed("the ID token is for another client")
    return claims


_REASONS: Mapping[type[Exception], str] = {
    jwt.ExpiredSignatureError: "it has expired",
    jwt.ImmatureSignatureError: "it is not valid yet: compare the clocks",
    jwt.InvalidAudienceError: "it is for another client",
    jwt.InvalidIssuerError: "it is of another issuer",
    jwt.InvalidSignatureError: "its signature is wrong",
    jwt.InvalidKeyError: "its key cannot be used",
    jwt.MissingRequiredClaimError: "a claim is missing",
}


def _reason(error: Exception) -> str:
    """Return why a token is refused, without any part of the token."""
    return next(
        (text for kind, text in _REASONS.items() if isinstance(error, kind)), "it is malformed"
    )


def _shown(value: object) -> str:
    return one_line(str(value), 20)
