"""Log lines and error pages carry nobody's data."""

from __future__ import annotations

import logging
import time

import pytest
from django.test import RequestFactory

from campaigns.addresses import redact
from config.logging import RedactingFormatter, SafeExceptionReporter


def store_row(address: str) -> None:
    raise ValueError(f"Key (email)=({address}) already exists.")


def caught(address: str) -> ValueError:
    try:
        store_row(address)
    except ValueError as error:
        return error
    raise AssertionError


def line(message: str, *arguments: object, error: BaseException | None = None) -> str:
    info = (type(error), error, error.__traceback__) if error else None
    record = logging.LogRecord("some.library", logging.ERROR, __file__, 1, message, arguments, info)
    return RedactingFormatter().format(record)


@pytest.mark.parametrize(
    "address",
    [
        "ada@example.com",
        "ada.l+tag@exämple.de",
        '"ada l"@example.com',
        "žydrė@example.lt",
        "ada@[192.0.2.1]",
        "ada%40example.com",
        "ada＠example.com",
    ],
)
def test_an_address_is_masked_wherever_it_stands(address: str) -> None:
    for text in (
        f"RCPT TO:<{address}> refused",
        f"to={address}",
        f"'{address}', 'x'",
        f"GET /admin/?q={address} HTTP/1.1",
        address,
    ):
        shown = redact(text)
        assert "[address]" in shown
        assert "ada" not in shown
        assert "žydrė" not in shown


def test_a_line_without_an_address_stays_as_it_is() -> None:
    assert redact("12 messages in 0.3 s (40/s) by @decorator") == "12 messages in 0.3 s (40/s) by @decorator"


def test_masking_a_long_text_takes_no_noticeable_time() -> None:
    began = time.process_time()
    for text in ("x" * 1_000_000 + "@" + "y" * 1_000_000, "x@" * 300_000, "@" * 300_000, " x" * 300_000 + "@"):
        redact(text)
    assert time.process_time() - began < 5


def test_a_log_line_masks_arguments_and_exceptions() -> None:
    shown = line("could not store %s", "bob@example.com", error=caught("ada@example.com"))
    assert "ValueError" in shown
    assert "@example" not in shown


def test_the_token_of_an_unsubscribe_link_is_masked() -> None:
    assert "[token]" in line('"POST /u/%s HTTP/1.1" 405', "QUJD" * 19)
    assert "QUJD" not in line('"POST /u/%s HTTP/1.1" 405', "QUJD" * 19)


def test_a_line_break_in_a_value_starts_no_line_of_its_own() -> None:
    assert "\n" not in line("user %s", "x\n2026-01-01 INFO forged")


def test_an_error_page_shows_the_way_but_no_values() -> None:
    # The page shows lines of this file, so the values are put together only when it runs.
    secrets = [f"hunter{number}" for number in range(4)]
    request = RequestFactory().post(f"/admin/?q={secrets[0]}", {"field": secrets[1]}, HTTP_COOKIE=f"id={secrets[2]}")
    error = caught(f"{secrets[3]}@example.com")
    reporter = SafeExceptionReporter(request, type(error), error, error.__traceback__)
    pages = [reporter.get_traceback_html(), reporter.get_traceback_text()]
    for page in pages:
        assert "store_row" in page
        assert not [value for value in (*secrets, "SECRET_KEY", "KEY_RING") if value in page]


def test_the_secret_of_a_callback_address_is_not_written() -> None:
    path = "/callbacks/6f0d3c52-3f8b-4d9e-9a55-0d8b4f6f2a11/QUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJD/"
    assert "QUJD" not in line("Bad Request: %s", path)
