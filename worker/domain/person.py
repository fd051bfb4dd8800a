"""A person who signs in by OpenID Connect: the name, and what the person may do.

The claims are untrusted text: the issuer has signed them, but people choose some of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from worker.domain.access import Access, highest
from worker.domain.errors import NotAllowed, SignInFailed
from worker.domain.texts import one_line

LONGEST_NAME = 128
MOST_SHOWN = 10
"""The most values of a claim that an error names."""

Claims = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Person:
    """A person who has signed in at the issuer."""

    name: str
    access: Access


def person_of(claims: Claims, claim: str, roles: Mapping[str, Access]) -> Person:
    """Return the person of the claims. At least one value of `claim` must have a role."""
    name = _name(claims)
    values = _values(claims, claim)
    access = highest(access for value, access in roles.items() if value in values)
    if access is None:
        raise NotAllowed(
            f"{name} has no role here",
            f"{claim} is {_shown(values)}",
            "ask the operators of this Pilotage for a role",
        )
    return Person(name=name, access=access)


def _name(claims: Claims) -> str:
    email = claims.get("email") if claims.get("email_verified") is True else None
    name = claims.get("preferred_username") or email or claims.get("sub")
    if not isinstance(name, str) or not name.isprintable() or name != name.strip() or not name:
        raise SignInFailed("the issuer gives a name that cannot be used", "it is not plain text")
    if len(name) > LONGEST_NAME:
        raise SignInFailed(
            "the issuer gives a name that cannot be used",
            f"it has more than {LONGEST_NAME} characters",
        )
    return name


def _values(claims: Claims, claim: str) -> list[str]:
    """Return the values of a claim; an e-mail address counts only if the issuer verified it."""
    if claim == "email" and claims.get("email_verified") is not True:
        return []
    value = claims.get(claim)
    values = value if isinstance(value, list) else [value]
    return [one for one in values if isinstance(one, str)]


def _shown(values: list[str]) -> str:
    shown = ", ".join(one_line(value, LONGEST_NAME) for value in values[:MOST_SHOWN])
    return f"{shown} …" if len(values) > MOST_SHOWN else shown or "empty"
