"""The one place that builds the database, the broker and the runtime from the settings.

Everything is built on first use, so that a process that forks shares nothing with its children.
"""

import logging
import os
import shutil
import socket
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from secrets import token_hex
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import click

from worker.backends import registry
from worker.backends.contract import Backend
from worker.db.account import account
from worker.db.clock import Clock
from worker.db.database import Database
from worker.db.engine import STATEMENTS, parse_url
from worker.db.schedules import Schedule
from worker.domain.change import Actor
from worker.domain.errors import BrokerUnavailable, ConfigurationError, OnlyOnHost
from worker.domain.nearest import nearest
from worker.services import log_lines, policies, private_files
from worker.services.operate.database import require_current
from worker.services.runtime import Nudge, Runtime, no_nudge
from worker.settings import Settings, load

TLS_OPTIONS = {
    "ssl_ca_certs": True,
    "ssl_certfile": True,
    "ssl_keyfile": True,
    "ssl_cert_reqs": False,
    "ssl_check_hostname": False,
}
"""The options that the URL of a broker with TLS may have, and whether each names a file."""


BROKER_PATIENCE = 3
"""Seconds within which a broker must answer `check_broker`."""

_by_options: dict[str, str] = {}
"""The options of the command `pilotage` that override variables of the environment."""


@cache
def settings() -> Settings:
    """Read the settings once."""
    return load({**os.environ, **_by_options})


def move_home(name: str) -> None:
    """Move the state folder of this process and its children to a folder inside the present one."""
    home = settings().home / name
    os.environ.pop("PILOTAGE_HOME_FILE", None)
    os.environ["PILOTAGE_HOME"] = str(home)
    settings.cache_clear()


def use_server(url: str | None, token_file: str | None) -> None:
    """Have the commands of this process use this server instead of the database.

    With `None` for a value, the settings decide.
    """
    _by_options.clear()
    if url is not None:
        _by_options["PILOTAGE_SERVER"] = url
    if token_file is not None:
        _by_options.update(PILOTAGE_TOKEN="", PILOTAGE_TOKEN_FILE=token_file)
    settings.cache_clear()


def server() -> str | None:
    """Return the address of the server that commands use instead of the database, if any."""
    return settings().server


@cache
def backends() -> dict[str, Backend]:
    """Find the installed back-ends once."""
    return registry.discover()


def state_folder() -> Path:
    """Make the state folder if it is missing, close it to other users, and return it."""
    home = settings().home
    try:
        private_files.make_folder(home)
        private_files.close_to_others(home)
    except OSError as error:
        raise ConfigurationError(
            f"the state folder {home} cannot be made",
            error.strerror,
            "set PILOTAGE_HOME to a folder that this user may write to",
        ) from error
    return home


@cache
def database() -> Database:
    """Build the database of the settings. For an embedded one the state folder is made."""
    if server() is not None:
        raise OnlyOnHost
    url = parse_url(settings().database_url.get_secret_value())
    if settings().is_embedded:
        state_folder()
    if settings().log_statements:
        _log_statements()
    return Database(
        url,
        [backend.chain for backend in backends().values()],
        pool_size=settings().pool_size,
        actor=Actor(who=account(), command=_command()),
    )


def _command() -> str | None:
    """Return the words of the command of `pilotage` that is running, such as `ce set`."""
    context = click.get_current_context(silent=True)
    if context is None:
        return None
    program, _, words = context.command_path.partition(" ")
    return words if program == "pilotage" and words else None


def current_database() -> Database:
    """Build the database, and refuse one that is older or newer than this program."""
    require_current(database())
    return database()


def close() -> None:
    """Close the connections to the database, if it was built. SQLite then tidies its files."""
    if database.cache_info().currsize:
        database().engine.dispose()


def broker() -> tuple[str, str | None, dict[str, Any]]:
    """Return the URL, the transport and the transport's options of Celery's broker.

    Without a broker in the settings it is a folder in the state folder.
    """
    url = settings().broker_url
    if url is not None:
        return (
            _checked(url.get_secret_value()),
            None,
            {
                "global_keyprefix": "pilotage:",
                "queue_order_strategy": "priority",
                "socket_timeout": 30,
                "socket_connect_timeout": 5,
                "socket_keepalive": True,
                "health_check_interval": 25,
            },
        )
    folder = state_folder() / "broker"
    for made in (folder, folder / "messages", folder / "control"):
        private_files.make_folder(made)
    return (
        "filesystem://localhost//",
        "worker.messaging.folder_broker:Transport",
        {
            "data_folder_in": str(folder / "messages"),
            "data_folder_out": str(folder / "messages"),
            "control_folder": str(folder / "control"),
            "polling_interval": 0.2,
        },
    )


def _checked(url: str) -> str:
    """Return the URL of the broker. An error never shows any of it: it may hold a password."""
    try:
        parts = urlsplit(url)
        is_good = bool(parts.scheme and parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        is_good = False
    # If the password contains / ? or #, the parser ends the host there: the @ is in a later part.
    if not is_good or "@" in f"{parts.path}{parts.query}{parts.fragment}":
        raise ConfigurationError(
            "the broker URL is malformed",
            "write redis://:PASSWORD@HOST:PORT/0, and / ? # in the password as %2F %3F %23",
        ) from None
    return _with_tls(url)


def _with_tls(url: str) -> str:
    """Have the certificate of the broker verified. By default kombu accepts any, with a warning."""
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    of_tls = {name for name in options if name.startswith("ssl")}
    if of_tls and parts.scheme != "rediss":
        raise ConfigurationError("the broker URL asks for TLS", "write rediss:// in place of redis")
    for name in sorted(of_tls - TLS_OPTIONS.keys()):
        raise ConfigurationError(
            f"unknown option {name} of the broker URL", nearest(name, TLS_OPTIONS)
        )
    if parts.scheme != "rediss":
        return url
    if options.setdefault("ssl_cert_reqs", "required") not in ("required", "CERT_REQUIRED"):
        raise ConfigurationError(
            "the broker URL trusts any server", "name its authority with ssl_ca_certs=/FILE"
        )
    for name in sorted(of_tls):
        if TLS_OPTIONS[name] and not os.access(options[name], os.R_OK):
            raise ConfigurationError(f"{name} of the broker URL", f"{options[name]} cannot be read")
    return urlunsplit(parts._replace(query=urlencode(options)))


def check_broker() -> None:
    """Refuse a broker that does not answer."""
    from kombu import Connection

    url, transport, options = broker()
    try:
        with Connection(url, transport=transport, transport_options=options) as connection:
            connection.ensure_connection(max_retries=1, timeout=BROKER_PATIENCE)
    except Exception as error:  # noqa: BLE001 - of any transport
        # The text of the error may hold the address with the password.
        raise BrokerUnavailable(type(error).__name__) from None


def empty_broker() -> None:
    """Delete the messages of the embedded broker. The next ticks find the same work."""
    if settings().broker_url is None:
        shutil.rmtree(settings().home / "broker", ignore_errors=True)
    broker()


@cache
def clock() -> Clock:
    """Build the clock that all hosts share: that of the database."""
    return Clock(database().engine)


def now() -> datetime:
    """Return the time of the clock that all hosts share."""
    return clock().now()


_BUILT_ONCE = (settings, backends, database, clock)
"""The functions that keep what they built, until `forget`."""


def runtime(*, nudge: Nudge = no_nudge, by_hand: bool = False) -> Runtime:
    """Build the first argument of every service.

    Each execution holds its turns under a name of its own. So a message that is delivered twice
    makes two executions, and only one of them gets the turn.
    """
    chosen = settings()
    return Runtime(
        database=database(),
        backends=backends(),
        home=Path(chosen.home),
        now=now,
        holder=f"{socket.gethostname()}:{os.getpid()}:{token_hex(4)}",
        nudge=nudge,
        by_hand=by_hand,
        instance=chosen.instance,
        budget=chosen.budget,
        policy=policies.find(chosen.policy),
        parameters=chosen.parameters,
        batch=chosen.batch,
        keep_failed_output=chosen.keep_failed_output,
        lease=timedelta(seconds=chosen.time_limit * 1.2),
        soft_limit=timedelta(seconds=chosen.soft_time_limit),
        keep_final=timedelta(days=chosen.keep_final_days),
        keep_decisions=timedelta(days=chosen.keep_decisions_days),
        keep_reports=timedelta(days=chosen.keep_reports_days),
        keep_changes=timedelta(days=chosen.keep_changes_days),
        pilot_keys=chosen.pilot_keys,
        web_url=chosen.web_url,
        webhook=chosen.webhook,
    )


def current_runtime(*, by_hand: bool = False) -> Runtime:
    """Return the runtime. Refuse a database that is older or newer than this program."""
    current_database()
    return runtime(by_hand=by_hand)


def by_hand() -> Runtime:
    """Return the runtime for a command of an operator."""
    return current_runtime(by_hand=True)


def forget() -> None:
    """Close the connections and forget what was built, so that the next use builds it anew."""
    if database.cache_info().currsize:
        database().close()
    for built in _BUILT_ONCE:
        built.cache_clear()


def configured_schedules() -> list[Schedule]:
    """List the schedules that the settings name."""
    from worker.services.tasks import ticks

    return list(ticks.of_settings(settings().schedules))


def _log_statements() -> None:
    """Have each statement logged. Call this first: an engine reads the level when it is made."""
    logging.getLogger(STATEMENTS).setLevel(logging.INFO)
    if not logging.getLogger().handlers:
        logging.basicConfig(level=logging.WARNING)
        logging.getLogger().handlers[0].setFormatter(log_lines.TextLines())
