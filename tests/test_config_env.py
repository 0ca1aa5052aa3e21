"""The readers of the environment: right values are taken, a typo stops the start and says what to write."""

from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from config import env


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    return lambda value: monkeypatch.setenv("SAMPLE", value)


Given = Callable[[str], None]


@pytest.mark.parametrize(
    ("value", "meant"), [("TRUE", True), ("yes", True), ("1", True), ("off", False), ("No", False)]
)
def test_a_boolean_is_read_in_any_case(given: Given, value: str, meant: bool) -> None:
    given(value)
    assert env.boolean("SAMPLE", not meant) is meant


def test_a_misspelt_boolean_stops_the_start(given: Given) -> None:
    given("ture")
    with pytest.raises(ImproperlyConfigured, match="Write SAMPLE=true or SAMPLE=false"):
        env.boolean("SAMPLE", True)


def test_a_whole_number_is_read(given: Given) -> None:
    given("-7")
    assert env.integer("SAMPLE", 1, low=-10, high=10) == -7


@pytest.mark.parametrize("value", ["11", "--5", "1.0", "two", "٣", "1e3"])
def test_a_number_out_of_bounds_or_not_whole_stops_the_start(given: Given, value: str) -> None:
    given(value)
    with pytest.raises(ImproperlyConfigured, match="whole number from 1 to 10"):
        env.integer("SAMPLE", 5, low=1, high=10)


def test_an_unset_text_without_default_stops_the_start() -> None:
    with pytest.raises(ImproperlyConfigured, match="Write SAMPLE="):
        env.text("SAMPLE")


def test_a_blank_text_counts_as_unset(given: Given) -> None:
    given("  ")
    assert env.text("SAMPLE", "default") == "default"


def test_a_word_outside_the_choices_stops_the_start(given: Given) -> None:
    given("VERBOSE")
    with pytest.raises(ImproperlyConfigured, match="must be one of: INFO, ERROR"):
        env.choice("SAMPLE", "INFO", allowed=("INFO", "ERROR"))


def test_a_word_that_does_not_match_its_pattern_stops_the_start(given: Given) -> None:
    given("a b")
    with pytest.raises(ImproperlyConfigured, match="must be one letter"):
        env.word("SAMPLE", "x", pattern="[a-z]", looks="one letter")


def test_a_list_loses_blanks_and_empty_items(given: Given) -> None:
    given(" a, ,b ,")
    assert env.words("SAMPLE") == ["a", "b"]


@pytest.mark.parametrize("value", ["mail.example.com", ".example.com,localhost", "[::1]", "127.0.0.1", "*"])
def test_host_names_are_read(given: Given, value: str) -> None:
    given(value)
    assert env.hosts("SAMPLE") == value.split(",")


@pytest.mark.parametrize("value", ["https://example.com", "example.com:8000", "example.com/", "a b.example"])
def test_a_host_with_scheme_port_or_path_stops_the_start(given: Given, value: str) -> None:
    given(value)
    with pytest.raises(ImproperlyConfigured, match="host names without"):
        env.hosts("SAMPLE")


def test_a_web_address_loses_its_last_slash(given: Given) -> None:
    given("https://mail.example.com:8443/")
    assert env.web_url("SAMPLE", "") == "https://mail.example.com:8443"


@pytest.mark.parametrize(
    "value",
    [
        "mail.example.com",
        "ftp://a.example",
        "https://",
        "https://a.example/x",
        "https://u:p@a.example",
        "http://a:99999",
    ],
)
def test_a_web_address_with_more_or_less_than_a_host_stops_the_start(given: Given, value: str) -> None:
    given(value)
    with pytest.raises(ImproperlyConfigured, match="Write SAMPLE=https://mail"):
        env.web_url("SAMPLE", "https://mail.example.com")


def test_a_service_address_is_taken_as_it_is(given: Given) -> None:
    given("postgres://u:p@localhost:5432/name?sslmode=require")
    found = env.service_url("SAMPLE", example="…", schemes=("postgres",))
    assert found == "postgres://u:p@localhost:5432/name?sslmode=require"


@pytest.mark.parametrize(
    "value", ["postgress://u:hunter2@localhost/x", "localhost/hunter2", "postgres://u:hunter2@h:port/x"]
)
def test_a_misspelt_service_address_stops_the_start_without_showing_its_password(given: Given, value: str) -> None:
    given(value)
    with pytest.raises(ImproperlyConfigured, match="Write SAMPLE=postgres://localhost/x") as raised:
        env.service_url("SAMPLE", example="postgres://localhost/x", schemes=("postgres",))
    assert "hunter2" not in str(raised.value)


def test_a_path_is_made_absolute(given: Given) -> None:
    given("some/where")
    assert env.path("SAMPLE", Path()) == Path.cwd() / "some/where"


def test_a_misspelt_name_in_the_settings_file_stops_the_start(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("POSTGRES_PASSWORD=x\n# REDIS_ULR=commented\nREDIS_ULR=redis://localhost\n")
    with pytest.raises(ImproperlyConfigured, match=r"Did you mean REDIS_URL="):
        env.refuse_misspelt(file)


def test_names_of_other_programs_in_the_settings_file_are_no_business_of_ours(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("POSTGRES_PASSWORD=x\nexport REDIS_URL=redis://localhost\n\nnot a setting\n")
    env.refuse_misspelt(file)


def test_the_environment_wins_over_the_settings_file(given: Given, tmp_path: Path) -> None:
    given("environment")
    file = tmp_path / ".env"
    file.write_text("SAMPLE=file\n")
    env.read_file(file)
    assert env.text("SAMPLE") == "environment"


def test_the_example_documents_every_variable_that_is_read_and_no_other() -> None:
    example = (Path(__file__).parent.parent / ".env.example").read_text("utf-8")
    names = {
        line.lstrip("#").partition("=")[0]
        for line in example.splitlines()
        if "=" in line and " " not in line.partition("=")[0]
    }
    assert names == env.known - {"SAMPLE"}
