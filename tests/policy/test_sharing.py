"""The shares of VOs and of CEs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.policy.sharing import Claim, max_min, scarce

INF = float("inf")
CLAIMS = st.dictionaries(
    st.sampled_from("abcdef"),
    st.builds(
        Claim,
        share=st.sampled_from([0.5, 1.0, 2.0, 7.0]),
        wants=st.one_of(st.just(INF), st.integers(0, 100).map(float)),
    ),
    min_size=1,
)


@pytest.mark.parametrize(
    ("wants", "slots", "result"),
    [
        ((INF, INF), 10, (5, 5)),
        ((2, INF), 10, (2, 8)),
        ((2, 3), 10, (2, 3)),
        ((0, INF, INF), 9, (0, 4.5, 4.5)),
        ((INF,), 0, (0,)),
    ],
)
def test_slots_are_shared_between_vos(
    wants: tuple[float, ...], slots: float, result: tuple[float, ...]
) -> None:
    claims = {f"vo{n}": Claim(share=1, wants=want) for n, want in enumerate(wants)}
    assert tuple(max_min(claims, slots).values()) == result


def test_a_share_of_nothing_gets_what_the_others_leave() -> None:
    claims = {"none": Claim(share=0, wants=INF), "some": Claim(share=1, wants=4)}
    assert max_min(claims, 10) == pytest.approx({"none": 6, "some": 4})
    claims["some"] = Claim(share=1, wants=INF)
    assert max_min(claims, 10) == pytest.approx({"none": 0, "some": 10}, abs=1e-6)


@given(claims=CLAIMS, slots=st.integers(0, 500))
def test_who_gets_less_than_it_wants_gets_no_less_for_its_share_than_any_other(
    claims: dict[str, Claim], slots: int
) -> None:
    given_to = max_min(claims, slots)
    total = sum(claim.wants for claim in claims.values())

    assert sum(given_to.values()) == pytest.approx(min(slots, total))
    for name, claim in claims.items():
        assert -1e-9 <= given_to[name] <= claim.wants + 1e-9
        if given_to[name] < claim.wants - 1e-6:
            level = given_to[name] / claim.share
            assert all(given_to[o] / claims[o].share <= level + 1e-6 for o in claims)


@given(
    places=st.dictionaries(
        st.sampled_from("abcdefgh"),
        st.tuples(st.integers(0, 60), st.one_of(st.just(0.0), st.floats(1e-200, 1e6))),
        min_size=1,
    ),
    part=st.floats(0, 1),
)
def test_what_is_scarce_is_given_to_the_last(
    places: dict[str, tuple[int, float]], part: float
) -> None:
    rooms = {name: room for name, (room, _) in places.items()}
    total = int(sum(rooms.values()) * part)
    given_to = scarce(total, rooms, {name: weight for name, (_, weight) in places.items()})

    assert sum(given_to.values()) == total
    assert all(0 <= given_to[name] <= room for name, room in rooms.items())
