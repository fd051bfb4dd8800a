"""The settings: `PILOTAGE_*` variables, then a TOML file, then the defaults.

An unknown variable or key is an error.

A value that differs from CE to CE or from VO to VO is data in the database, not a setting.
"""

import os
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from worker.domain.access import Access, access_of
from worker.domain.addresses import is_private
from worker.domain.change import LEAST_DAYS
from worker.domain.checks import LARGEST
from worker.domain.errors import ConfigurationError, Invalid
from worker.domain.nearest import nearest
from worker.domain.pilot_secret import NO_KEYS, PilotKeys, read_keys
from worker.domain.schedule import ScheduleSetting
from worker.domain.validation import place, reason
from worker.domain.webhook import LEAST_SECRET, Webhook
from worker.policy.contract import DEFAULT_POLICY
from worker.policy.parameters import DEFAULTS, Parameters
from worker.services.files import read_text, read_toml

DAY = 86_400
MOST_DAYS = 36_500
"""A hundred years. A larger number is a mistake: the time so many days ago may not even exist."""

PREFIX = "PILOTAGE_"
CONFIG = "PILOTAGE_CONFIG"
FROM_FILE = "_FILE"
"""PILOTAGE_X_FILE names a file that holds the value of PILOTAGE_X.

So a secret is not in the environment, which a list of processes can show.
"""

PILOT_VARIABLES = frozenset(
    {
        "PILOTAGE_STAMP",
        "PILOTAGE_VO",
        "PILOTAGE_CE",
        "PILOTAGE_URL",
        "PILOTAGE_SECRET_FILE",
        "PILOTAGE_END_FILE",
    }
)
"""Variables in the environment of a pilot. `pilotage` may be run there, so they are no error."""

TEST_PREFIXES = ("PILOTAGE_TEST_", "PILOTAGE_TESTBED_")


def _in_small_letters(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _access(value: object) -> object:
    try:
        return access_of(value) if isinstance(value, str) else value
    except Invalid as error:
        raise ValueError(": ".join(map(str, error.details))) from None


_OF_ISSUER = ("oidc_client_id", "oidc_client_secret", "oidc_claim", "oidc_roles", "oidc_name")

LogLevel = Annotated[
    Literal["debug", "info", "warning", "error"], BeforeValidator(_in_small_letters)
]

LogFormat = Annotated[Literal["auto", "text", "json"], BeforeValidator(_in_small_letters)]


def _default_home() -> Path:
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "pilotage"


class Settings(BaseModel):
    """All settings, with their defaults. The text under each is its documentation."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    home: Path
    """The state folder of the embedded default: its database, its broker, its pilots' output."""

    database_url: SecretStr
    """The database: postgresql://USER:PASSWORD@HOST:PORT/NAME, with several hosts
    HOST:PORT,HOST:PORT, or sqlite:////PATH."""

    broker_url: SecretStr | None = None
    """The broker: redis://:PASSWORD@HOST:PORT/0. Without one, a folder in the state folder."""

    server: str | None = None
    """The server that commands use instead of the database: https://HOST/PREFIX, or http on this
    host. The option --server does the same."""

    token: SecretStr | None = None
    """The token for the server. Name its file: PILOTAGE_TOKEN_FILE, or --token-file."""

    web_address: str = "127.0.0.1"
    """The address at which the server of the API listens; 127.0.0.1 serves this host only."""

    web_port: int = Field(default=8017, ge=1, le=65535)
    """The port of the server."""

    web_processes: int = Field(default=1, ge=1, le=64)
    """How many processes serve requests."""

    web_prefix: str = Field(default="", pattern=r"^(/[A-Za-z0-9._~-]+)*$")
    """The path under which a proxy publishes the server: /pilotage."""

    web_log: Path | None = None
    """The file of the server's log; without one, standard error."""

    web_proxies: str = "127.0.0.1"
    """The proxies that are trusted to name the address of a client: addresses with commas."""

    oidc_issuer: str | None = Field(default=None, pattern=r"^https?://[^\s?#@]+$")
    """The issuer at which people sign in by OpenID Connect, as it calls itself:
    https://iam.example.org/. Without one, they sign in by links."""

    oidc_client_id: str | None = Field(default=None, min_length=1)
    """The name under which the issuer knows this Pilotage."""

    oidc_client_secret: SecretStr | None = None
    """The secret that belongs to oidc_client_id; a public client has none. Name its file:
    PILOTAGE_OIDC_CLIENT_SECRET_FILE."""

    oidc_claim: str = Field(default="groups", min_length=1)
    """The claim of the ID token that decides what a person may do. `email` counts only if the
    issuer has verified it."""

    oidc_roles: Mapping[str, Annotated[Access, BeforeValidator(_access)]] = {}
    """What a value of the claim lets a person do: read, operate, operate:VO or admin, as in
    [oidc_roles] "/pilotage/admins" = "admin". If several values match, the highest role counts."""

    oidc_name: str | None = Field(default=None, min_length=1, max_length=60)
    """The name of the issuer on the page where people sign in. Without it, the issuer's host."""

    instance: str = Field(default="pilotage", pattern=r"^[a-z][a-z0-9_]{0,23}$")
    """The beginning of the names of all jobs. Installations that share an account at a CE, or a
    schedd of HTCondor under any accounts, need different ones."""

    budget: int = Field(default=1000, ge=0, le=LARGEST)
    """The largest number of pilots that one tick of submit_pilots reserves for a VO."""

    policy: str = DEFAULT_POLICY
    """The policy that decides how many pilots each CE gets: three_chances, fill_all,
    proportional, or that of a plug-in."""

    parameters: Parameters = DEFAULTS
    """The numbers of the policy, as docs/why/policy.md explains: [parameters] half_life = 1800.
    Times are in seconds."""

    batch: int = Field(default=1000, ge=1, le=LARGEST)
    """The largest number of pilots in one call to a CE."""

    keep_failed_output: int = Field(default=3, ge=0, le=100)
    """The largest number of failed pilots whose output one check of a CE fetches and keeps; 0 for
    none."""

    time_limit: float = Field(default=150, ge=2, le=DAY)
    """Seconds until an execution that hangs is ended; the lease of its CE lasts a fifth longer."""

    keep_final_days: float = Field(default=30, ge=0, le=MOST_DAYS)
    """Days after which a final pilot and its history are deleted."""

    keep_decisions_days: float = Field(default=7, ge=0, le=MOST_DAYS)
    """Days after which a decision is deleted."""

    keep_reports_days: float = Field(default=365, ge=0, le=MOST_DAYS)
    """Days after which a report is deleted."""

    keep_changes_days: float = Field(default=730, ge=LEAST_DAYS, le=MOST_DAYS)
    """Days after which a change, as `pilotage audit` shows it, is deleted; at least 90."""

    beat_interval: float = Field(default=5, gt=0, le=DAY)
    """The longest time in seconds until a scheduler notices a changed schedule."""

    log_level: LogLevel | None = None
    """The lowest level that workers and schedulers log. Without it, Celery's option --loglevel
    decides."""

    log_format: LogFormat = "auto"
    """The format of logs: text for people, json with one object a line, auto for text on a
    terminal and in the files of --logfile, and JSON elsewhere."""

    log_size: int = Field(default=10_000_000, ge=1000, le=10**12)
    """Bytes after which a log file is renamed and a new one begun; 4 older ones are kept. It
    applies to the files of `pilotage up` and of Celery's option --logfile."""

    log_statements: bool = False
    """Whether every statement to the database is logged, with its values; also by commands."""

    pool_size: int = Field(default=2, ge=1, le=100)
    """Connections to PostgreSQL that a process keeps. It opens up to 8 more while it needs them."""

    web_url: str | None = None
    """The address at which people reach the console, and programs and pilots the API:
    https://pilotage.example.org. Without it, links have the address at which the server listens,
    and no pilot gets a secret."""

    pilot_key: SecretStr | None = None
    """The key that the secrets of pilots are derived from, 32 random characters or more, the same
    for all workers and servers. Name its file: PILOTAGE_PILOT_KEY_FILE. With several lines the
    first is used for new secrets, and secrets that were made with the others stay valid."""

    webhook_url: SecretStr | None = None
    """Where events are sent, as docs/how-to/webhook.md explains: https://HOST/PATH, or http on this
    host. Only its host is ever shown."""

    webhook_secret: SecretStr | None = None
    """The secret that signs events, 32 random characters or more. Name its file:
    PILOTAGE_WEBHOOK_SECRET_FILE."""

    schedules: Mapping[str, ScheduleSetting] = {}
    """When each task fires: [schedules.submit_pilots] every = 30."""

    @field_validator("webhook_url")
    @classmethod
    def _is_private(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not is_private(value.get_secret_value()):
            raise ValueError(
                "it must begin with https://, or be on this host, and have no password"
            )
        return value

    @field_validator("webhook_secret")
    @classmethod
    def _is_no_guess(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < LEAST_SECRET:
            raise ValueError(f"the secret must have {LEAST_SECRET} characters or more")
        return value

    @model_validator(mode="after")
    def _webhook_is_whole(self) -> Self:
        """Refuse a webhook without a secret, and a secret without a webhook."""
        if (self.webhook_url is None) is not (self.webhook_secret is None):
            raise ValueError("set webhook_url and webhook_secret together")
        return self

    @property
    def webhook(self) -> Webhook | None:
        """Return where webhook events are sent, or `None` without a webhook."""
        if self.webhook_url is None or self.webhook_secret is None:
            return None
        return Webhook(
            url=self.webhook_url.get_secret_value(), secret=self.webhook_secret.get_secret_value()
        )

    @field_validator("pilot_key")
    @classmethod
    def _is_long(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            read_keys(value.get_secret_value())
        return value

    @field_validator("web_url", "server")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
            raise ValueError("write https://HOST or http://HOST:PORT")
        if parts.port == 0:  # reading the port raises ValueError if it is not a number
            raise ValueError("the port must not be 0")
        if parts.query or parts.fragment or not value.isprintable() or " " in value:
            raise ValueError("it has more than a host, a port and a path")
        return value.rstrip("/")

    @field_validator("server")
    @classmethod
    def _takes_a_token(cls, value: str | None) -> str | None:
        if value is not None and not is_private(value):
            raise ValueError("a token over http can be read on the way: use https://, or this host")
        return value

    @field_validator("parameters", mode="before")
    @classmethod
    def _known_parameters(cls, value: object) -> object:
        names = [field.name for field in fields(Parameters)]
        for key in value if isinstance(value, Mapping) else ():
            if key not in names:
                raise ValueError(f"unknown key {key}: {nearest(key, names)}")
        return value

    @model_validator(mode="after")
    def _issuer_is_whole(self) -> Self:
        """Refuse settings of an issuer that do not fit together."""
        of_issuer = [name for name in _OF_ISSUER if name in self.model_fields_set]
        if self.oidc_issuer is None:
            if of_issuer:
                raise ValueError(f"{of_issuer[0]} is set, but oidc_issuer is not")
            return self
        if not is_private(self.oidc_issuer):
            raise ValueError("oidc_issuer must begin with https://, or be on this host")
        if self.oidc_client_id is None:
            raise ValueError("oidc_issuer is set, but oidc_client_id is not")
        if not self.oidc_roles:
            raise ValueError("oidc_issuer is set, but oidc_roles gives nobody a role")
        return self

    @property
    def soft_time_limit(self) -> float:
        """Seconds until an execution is asked to end, a little before `time_limit` ends it."""
        return self.time_limit * 14 / 15

    @property
    def address_of_web(self) -> str:
        """Return the address at which people reach the server."""
        return (self.web_url or self.listening_address).rstrip("/")

    @property
    def listening_address(self) -> str:
        """Return the address at which the server listens."""
        host = f"[{self.web_address}]" if ":" in self.web_address else self.web_address
        return f"http://{host}:{self.web_port}{self.web_prefix}"

    @property
    def pilot_keys(self) -> PilotKeys:
        """Return the keys that pilot secrets are derived from; no keys if none are set."""
        return read_keys(self.pilot_key.get_secret_value()) if self.pilot_key else NO_KEYS

    @property
    def is_embedded(self) -> bool:
        """Return whether the database is the one in the state folder."""
        return self.database_url.get_secret_value() == embedded_url(self.home)


def embedded_url(home: Path) -> str:
    """Return the URL of the database in a state folder."""
    return f"sqlite:///{home / 'pilotage.sqlite'}"


def load(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings, or raise an error of one line that says what is wrong with them."""
    values = {**_from_file(environ), **_from_environment(environ)}
    values.setdefault("home", _default_home())
    values.setdefault("database_url", embedded_url(Path(str(values["home"]))))
    try:
        return Settings(**values)
    except ValidationError as error:
        # The input is left out of the message: it may be a secret.
        first = error.errors()[0]
        named = [part for part in (_name(first, environ),) if part]
        raise ConfigurationError(*named, reason(first)) from None


def _name(problem: Mapping[str, Any], environ: Mapping[str, str]) -> str:
    """Return the name of a value as the operator wrote it: a variable, or a key of the file."""
    variables = (f"{PREFIX}{place(problem).upper()}{end}" for end in ("", FROM_FILE))
    return next((name for name in variables if environ.get(name)), place(problem))


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for variable, value in environ.items():
        if not variable.startswith(PREFIX) or variable == CONFIG or variable in PILOT_VARIABLES:
            continue
        if variable.startswith(TEST_PREFIXES) or not value:
            continue  # an empty variable counts as not set
        name = variable.removeprefix(PREFIX).removesuffix(FROM_FILE)
        if not name.isupper() or name.lower() not in Settings.model_fields:
            names = [PREFIX + field.upper() for field in Settings.model_fields]
            raise ConfigurationError(f"unknown variable {variable}", nearest(variable, names))
        if name.lower() in values:
            raise ConfigurationError(f"{PREFIX}{name} is given twice", "as a value and as a file")
        from_file = variable.endswith(FROM_FILE)
        values[name.lower()] = _read(value).strip() if from_file else value
    return values


def _read(path: str) -> str:
    try:
        return read_text(Path(path))
    except Invalid as error:
        raise ConfigurationError(*error.details) from error


def _from_file(environ: Mapping[str, str]) -> dict[str, Any]:
    named = environ.get(CONFIG)
    if named is None:
        return {}
    try:
        values = read_toml(Path(named))
    except Invalid as error:
        raise ConfigurationError(*error.details) from error
    for key in values:
        if key not in Settings.model_fields:
            raise ConfigurationError(
                f"unknown key {key} in {named}", nearest(key, Settings.model_fields)
            )
    return values
