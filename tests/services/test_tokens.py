"""Who may sign in with a secret, and who may make one."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from tests.cli.command import contents
from tests.expectations import refused, statements
from tests.factories import a_vo
from tests.services.world import World
from worker.db import vos
from worker.db.answered import AnsweredBefore, Once
from worker.db.tables import tokens as table
from worker.domain.access import Access, Role
from worker.domain.change import Actor, Door
from worker.domain.errors import (
    AlreadyExists,
    ConfirmationNeeded,
    Invalid,
    NotAllowed,
    NotSignedIn,
    UnknownVO,
)
from worker.domain.pages import PageRequest
from worker.domain.token import LONGEST_LIFE, TokenKind, hash_of, is_secret, make_secret
from worker.services.operate import tokens
from worker.services.operate.tokens import NewToken
from worker.services.runtime import Runtime
from worker.services.tasks import prune

DAY = timedelta(days=1)
ADVICE = f"A valid token is needed: {tokens.ADVICE}"


def runtime_of(world: World, role: Role, vo: str | None = None, **more: Any) -> Runtime:
    """Return the runtime of a caller with a role."""
    actor = Actor(who="bob", door=Door.API, access=Access(role=role, vo=vo))
    return replace(world.runtime(), database=world.database.used_by(actor, **more))


def test_a_token_lets_in_until_it_expires(world: World) -> None:
    runtime = world.runtime()
    new = tokens.create(runtime, "ci", Role.READ, life=DAY)
    assert is_secret(new.secret)
    assert tokens.identify(runtime, new.secret) == new.token
    assert new.token.made_by == runtime.database.actor.who
    assert new.token.expires_at == world.clock + DAY

    world.wait(days=1, seconds=-1)
    assert tokens.identify(runtime, new.secret).access == Access(role=Role.READ)
    world.wait(seconds=1)
    with refused(NotSignedIn):
        tokens.identify(runtime, new.secret)


def test_the_secret_is_nowhere(world: World) -> None:
    runtime = world.runtime()
    new = tokens.create(runtime, "ci", Role.READ)
    link = tokens.make_link(runtime, "alice", Role.ADMIN)
    session = tokens.use_link(runtime, link.secret)

    text = str(contents(world.database))
    assert hash_of(new.secret) in text
    for one in (new, link, session):
        assert one.secret not in text
        assert one.secret.removeprefix("pilotage_") not in text


def gone_with_its_vo(world: World, new: NewToken) -> None:
    world.change(lambda tx: vos.remove(tx, "lhcb"))


def let_expire(world: World, new: NewToken) -> None:
    world.wait(days=91)


def revoke(world: World, new: NewToken) -> None:
    tokens.revoke(world.runtime(), "ci", yes=True)


def prune_after_end(world: World, new: NewToken) -> None:
    revoke(world, new)
    world.wait(days=31)
    prune.prune(world.runtime(by_hand=True))
    with world.database.uow() as tx:
        assert tx.execute(select(table.c.id)).all() == []


@pytest.mark.parametrize("end", [gone_with_its_vo, let_expire, revoke, prune_after_end])
def test_whoever_is_not_let_in_learns_nothing(
    world: World, end: Callable[[World, NewToken], None]
) -> None:
    world.vo(a_vo().named("lhcb"))
    runtime = world.runtime()
    new = tokens.create(runtime, "ci", Role.OPERATE, vo="lhcb")
    end(world, new)

    for secret in (new.secret, make_secret(), "", "x" * 1000, "\ud800\0ü"):
        with (
            refused(NotSignedIn) as error,
            statements(world.database.engine) as sql,
        ):
            tokens.identify(runtime, secret)
        assert str(error.value) == ADVICE
        assert sum("tokens" in statement for statement in sql) == 1


def test_its_use_is_noted_now_and_then(world: World) -> None:
    runtime = world.runtime()
    secret = tokens.create(runtime, "ci", Role.READ).secret
    counts: list[int] = []
    for _ in range(3):
        with statements(world.database.engine) as sql:
            tokens.identify(runtime, secret)
        counts.append(sum("tokens" in statement for statement in sql))
        world.wait(minutes=6)

    assert counts == [2, 1, 2]
    [token] = tokens.list_tokens(runtime).items
    assert token.used_at == world.clock - timedelta(minutes=6)


def test_a_link_begins_one_session_of_the_same_person(world: World) -> None:
    world.vo(a_vo().named("lhcb"))
    runtime = world.runtime()
    link = tokens.make_link(runtime, "alice", Role.OPERATE, "lhcb")
    with refused(NotSignedIn):
        tokens.identify(runtime, link.secret)
    session = tokens.use_link(runtime, link.secret)

    token = tokens.identify(runtime, session.secret)
    assert (token.name, token.kind) == ("alice", TokenKind.SESSION)
    assert token.access == Access(role=Role.OPERATE, vo="lhcb")
    assert token.expires_at == world.clock + timedelta(hours=12)
    for secret in (link.secret, session.secret, make_secret()):
        with refused(NotSignedIn, "make another"):
            tokens.use_link(runtime, secret)
    of_a_program = tokens.create(runtime, "nightly", Role.READ)
    with refused(NotSignedIn, "this is a token, for programs"):
        tokens.use_link(runtime, of_a_program.secret)
    late = tokens.make_link(runtime, "alice", Role.READ)
    world.wait(minutes=10)
    with refused(NotSignedIn, "make another"):
        tokens.use_link(runtime, late.secret)


def test_a_session_ends_when_somebody_signs_out(world: World) -> None:
    runtime = world.runtime()
    one, other = (tokens.begin_session(runtime, "alice", Role.READ, None) for _ in range(2))
    for secret in (one.secret, one.secret, make_secret()):
        tokens.end_session(runtime, secret)

    with refused(NotSignedIn):
        tokens.identify(runtime, one.secret)
    assert tokens.identify(runtime, other.secret).name == "alice"


def test_what_is_over_is_listed_if_asked(world: World) -> None:
    runtime = world.runtime()
    for name, life in (("a", DAY), ("b", 2 * DAY), ("c", 3 * DAY)):
        tokens.create(runtime, name, Role.READ, life=life)
    with refused(ConfirmationNeeded, "revoke token c"):
        tokens.revoke(runtime, "c", yes=False)
    tokens.revoke(runtime, "c", yes=True)
    tokens.make_link(runtime, "alice", Role.READ)
    world.wait(days=1)

    def names(**filters: Any) -> list[str]:
        return [token.name for token in tokens.list_tokens(runtime, **filters).items]

    assert names() == ["b"]
    assert names(all=True, page=PageRequest(descending=True)) == ["c", "b", "a"]
    assert names(all=True, search="A") == ["a"]


@pytest.mark.parametrize("life", [timedelta(), -DAY, LONGEST_LIFE + DAY, timedelta(seconds=0.5)])
def test_a_life_is_bounded(world: World, life: timedelta) -> None:
    with refused(Invalid, "life of a token"):
        tokens.create(world.runtime(), "ci", Role.READ, life=life)


def test_what_makes_no_token_is_refused(world: World) -> None:
    runtime = world.runtime()
    tokens.create(runtime, "ci", Role.READ, life=LONGEST_LIFE)
    with refused(AlreadyExists, "ci"):
        tokens.create(runtime, "ci", Role.ADMIN)
    with refused(UnknownVO, "nobody"):
        tokens.create(runtime, "x", Role.OPERATE, vo="nobody")
    with refused(Invalid, "not for one VO"):
        tokens.create(runtime, "x", Role.ADMIN, vo="default")
    with refused(Invalid, "token name"):
        tokens.create(runtime, "a b", Role.READ)


@pytest.mark.parametrize(
    ("role", "vo"), [(Role.READ, None), (Role.OPERATE, None), (Role.OPERATE, "default")]
)
def test_only_an_admin_makes_lists_and_revokes(world: World, role: Role, vo: str | None) -> None:
    runtime = runtime_of(world, role, vo)
    acts: list[Callable[[], object]] = [
        lambda: tokens.create(runtime, "ci", Role.READ),
        lambda: tokens.list_tokens(runtime),
        lambda: tokens.revoke(runtime, "ci", yes=True),
        lambda: tokens.make_link(runtime, "alice", Role.ADMIN),
        lambda: tokens.begin_session(runtime, "alice", Role.ADMIN, None),
    ]
    for act in acts:
        with refused(NotAllowed, f"bob has the role {runtime.database.actor.access}"):
            act()


def test_nobody_makes_what_may_do_more_than_they_may(world: World) -> None:
    world.vo(a_vo().named("lhcb"))
    runtime = runtime_of(world, Role.OPERATE, "lhcb")
    for role, vo in ((Role.OPERATE, None), (Role.OPERATE, "default"), (Role.READ, None)):
        with refused(NotAllowed):
            tokens.make_link(runtime, "alice", role, vo)
    assert tokens.make_link(runtime, "alice", Role.OPERATE, "lhcb").token.made_by == "bob"

    admin = runtime_of(world, Role.ADMIN)
    new = tokens.create(admin, "ci", Role.ADMIN)
    assert new.token.access == Access(role=Role.ADMIN)


def test_a_repeated_request_makes_no_second_token_and_shows_no_secret(world: World) -> None:
    def once() -> Once:
        return Once(who="bob", key="1", request_hash="a")

    tokens.create(runtime_of(world, Role.ADMIN, once=once()), "ci", Role.READ)
    with pytest.raises(AnsweredBefore) as before:
        tokens.create(runtime_of(world, Role.ADMIN, once=once()), "ci", Role.READ)
    assert before.value.answer is None


def test_an_answer_is_kept_for_a_day(world: World) -> None:
    once = Once(who="bob", key="1", request_hash="a")
    with world.database.used_by(Actor(who="bob"), once=once).uow():
        pass
    pruned_after = {}
    for hours in (23, 25):
        world.clock = datetime.now(UTC) + timedelta(hours=hours)
        pruned_after[hours] = prune.prune(world.runtime(by_hand=True)).counts["answers"]

    assert pruned_after == {23: 0, 25: 1}
