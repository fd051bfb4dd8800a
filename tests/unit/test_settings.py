"""Settings: variables, then a file, then defaults; an unknown name is an error."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from tests.expectations import PASSWORD, refused
from worker import wiring
from worker.domain.errors import ConfigurationError
from worker.settings import load


def file(tmp_path: Path, text: str) -> dict[str, str]:
    path = tmp_path / "pilotage.toml"
    path.write_text(text, encoding="utf-8")
    return {"PILOTAGE_CONFIG": str(path)}


def test_without_any_setting_everything_lies_in_the_state_folder() -> None:
    settings = load({})

    assert settings.home.name == "pilotage"
    assert settings.database_url.get_secret_value() == f"sqlite:///{settings.home}/pilotage.sqlite"


def test_the_state_folder_follows_the_desktop_convention(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert load({}).home == tmp_path / "pilotage"

    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load({}).home == tmp_path / ".local" / "state" / "pilotage"


def test_the_embedded_database_lies_in_the_home_that_was_named() -> None:
    settings = load({"PILOTAGE_HOME": "/srv/pilots"})

    assert settings.database_url.get_secret_value() == "sqlite:////srv/pilots/pilotage.sqlite"


def test_a_variable_stands_before_the_file_and_the_file_before_the_default(tmp_path: Path) -> None:
    environ = file(tmp_path, 'home = "/from/file"\ndatabase_url = "sqlite:////from/file"\n')
    settings = load({**environ, "PILOTAGE_HOME": "/from/variable"})

    assert settings.home == Path("/from/variable")
    assert settings.database_url.get_secret_value() == "sqlite:////from/file"


@pytest.mark.parametrize(
    ("variable", "hint"),
    [
        ("PILOTAGE_DATABSE_URL", "did you mean 'PILOTAGE_DATABASE_URL'?"),
        ("PILOTAGE_database_url", "PILOTAGE_DATABASE_URL"),
        (f"PILOTAGE_{'Z' * 40}", "known: PILOTAGE_"),
    ],
)
def test_an_unknown_variable_is_refused_and_the_nearest_is_named(variable: str, hint: str) -> None:
    with refused(ConfigurationError, f"unknown variable {variable}", hint):
        load({variable: f"postgresql://me:{PASSWORD}@host/db"})


def test_variables_of_others_are_no_business_of_ours() -> None:
    assert load({"PATH": "/bin", "PILOT_HOME": "x", "DATABASE_URL": "y"}) == load({})


def test_an_unknown_key_is_refused_and_the_nearest_is_named(tmp_path: Path) -> None:
    environ = file(tmp_path, f'databse_url = "postgresql://me:{PASSWORD}@host/db"\n')

    with refused(ConfigurationError, "unknown key databse_url", "did you mean 'database_url'?"):
        load(environ)


def test_a_file_that_is_not_toml_is_told_by_name(tmp_path: Path) -> None:
    with refused(ConfigurationError, "pilotage.toml", "not TOML"):
        load(file(tmp_path, "home = = 1"))


def test_a_file_that_is_not_text_is_told_by_name(tmp_path: Path) -> None:
    path = tmp_path / "pilotage.toml"
    path.write_bytes(b'home = "\xff\xfe"')

    with refused(ConfigurationError, "pilotage.toml", "not text"):
        load({"PILOTAGE_CONFIG": str(path)})


def test_a_file_that_is_missing_is_told_by_name(tmp_path: Path) -> None:
    with refused(ConfigurationError, "absent.toml", "no such file"):
        load({"PILOTAGE_CONFIG": str(tmp_path / "absent.toml")})
    with refused(ConfigurationError, str(tmp_path), "is a directory"):
        load({"PILOTAGE_CONFIG": str(tmp_path)})


def test_a_value_of_the_wrong_kind_is_named_and_not_shown(tmp_path: Path) -> None:
    with refused(ConfigurationError, "database_url"):
        load(file(tmp_path, f'database_url = ["postgresql://me:{PASSWORD}@host/db"]\n'))


def test_a_password_is_not_shown_with_the_settings() -> None:
    settings = load({"PILOTAGE_DATABASE_URL": f"postgresql://me:{PASSWORD}@host/db"})

    assert PASSWORD not in repr(settings)
    assert PASSWORD not in str(settings)
    assert PASSWORD not in settings.model_dump_json()


def test_settings_cannot_be_changed_afterwards() -> None:
    with pytest.raises(ValidationError):
        load({}).home = Path("/elsewhere")


@pytest.mark.parametrize("url", ["https://pilotage.example.org", "http://[::1]:8017/at"])
def test_an_address_of_the_console_is_taken_without_a_last_slash(url: str) -> None:
    assert load({}).web_url is None
    for address in (url, f"{url}/"):
        assert load({"PILOTAGE_WEB_URL": address}).web_url == url


@pytest.mark.parametrize(
    "url",
    [
        *("pilotage.example.org", "ftp://host", "https://", "//host", "http://[::1"),
        *("http://me:hush-hush@host", "http://h/#x", "http://h/?x=1", "http://h/a b", "http://h:x"),
    ],
)
def test_what_is_no_address_of_the_console_is_refused(url: str) -> None:
    with refused(ConfigurationError, "PILOTAGE_WEB_URL"):
        load({"PILOTAGE_WEB_URL": url})


@pytest.mark.parametrize("word", ["debug", "DEBUG", "Warning"])
def test_a_log_level_is_a_word_in_letters_of_any_size(word: str) -> None:
    assert load({"PILOTAGE_LOG_LEVEL": word}).log_level == word.lower()


def test_a_level_that_does_not_exist_is_refused() -> None:
    with refused(ConfigurationError, "PILOTAGE_LOG_LEVEL", "'debug', 'info', 'warning' or 'error'"):
        load({"PILOTAGE_LOG_LEVEL": "loud"})


@pytest.mark.finding("L4b")
@pytest.mark.parametrize("number", ["1e300", "-1", "nan", "inf"])
@pytest.mark.parametrize(
    "name",
    ["KEEP_FINAL_DAYS", "KEEP_DECISIONS_DAYS", "KEEP_REPORTS_DAYS", "TIME_LIMIT", "BEAT_INTERVAL"],
)
def test_a_time_beyond_all_time_is_refused(name: str, number: str) -> None:
    with refused(ConfigurationError, f"PILOTAGE_{name}"):
        load({f"PILOTAGE_{name}": number})


@pytest.mark.parametrize("size", ["0", "101", "many"])
def test_a_pool_has_some_connections(size: str) -> None:
    with refused(ConfigurationError, "PILOTAGE_POOL_SIZE"):
        load({"PILOTAGE_POOL_SIZE": size})


def test_the_env_file_of_the_tests_has_settings_that_can_be_used() -> None:
    lines = (Path(__file__).parents[1] / "test.env").read_text(encoding="utf-8").splitlines()
    settings = load(dict(line.split("=", 1) for line in lines if line and not line.startswith("#")))

    assert settings.log_level == "warning"
    assert not settings.log_statements
    assert settings.pool_size == 1


def test_a_pool_is_as_large_as_the_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PILOTAGE_DATABASE_URL", "postgresql://me@127.0.0.1:1/pilotage_test")
    monkeypatch.setenv("PILOTAGE_POOL_SIZE", "7")

    assert wiring.database().engine.pool.size() == 7  # type: ignore[attr-defined]
