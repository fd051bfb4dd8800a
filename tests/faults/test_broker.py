"""The broker refuses messages or clients, or loses its data: the ticks go on afterwards."""

import signal
from collections.abc import Callable
from typing import NamedTuple

import pytest
import redis

from tests.chaos.conftest import Make
from tests.chaos.world import World
from tests.faults.trial import ends_well, says, working, works_again

pytestmark = pytest.mark.postgresql


class Fault(NamedTuple):
    """What breaks Redis, which message says so, and what repairs Redis."""

    begin: Callable[[World, "redis.Redis"], object]
    message: str
    end: Callable[[World, "redis.Redis"], object]


def change_password(world: World, client: "redis.Redis") -> None:
    """Refuse the old password, and cut all connections that used it."""
    client.config_set("requirepass", "another")
    client.client_kill_filter(_type="normal", skipme=True)


def change_password_back(world: World, client: "redis.Redis") -> None:
    client.config_set("requirepass", str(client.connection_pool.connection_kwargs["password"]))


def restart(world: World, client: "redis.Redis") -> None:
    world.redis.start()


def stop(world: World, client: "redis.Redis") -> None:
    world.redis.flush()
    world.redis.stop(signal.SIGKILL)


FAULTS = {
    "out of memory": Fault(
        lambda world, client: client.config_set("maxmemory", "1"),
        "used memory > 'maxmemory'",
        lambda world, client: client.config_set("maxmemory", "0"),
    ),
    "a replica": Fault(
        lambda world, client: client.replicaof("127.0.0.1", 1),
        "You can't write against a read only replica",
        lambda world, client: client.replicaof("NO", "ONE"),
    ),
    "too few replicas": Fault(
        lambda world, client: client.config_set("min-replicas-to-write", "1"),
        "Not enough good replicas to write",
        lambda world, client: client.config_set("min-replicas-to-write", "0"),
    ),
    "another password": Fault(
        change_password, "invalid username-password pair", change_password_back
    ),
    "flushed and restarted": Fault(stop, "Trying again in", restart),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_broker_that_refuses_is_named_in_a_line_and_used_again(make: Make, name: str) -> None:
    world = working(make)
    fault = FAULTS[name]
    with redis.Redis.from_url(world.redis.url, single_connection_client=True) as client:
        fault.begin(world, client)
        says(world, fault.message)
        fault.end(world, client)

    works_again(world)
    ends_well(world)
