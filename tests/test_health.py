"""What load balancers and containers ask."""

from __future__ import annotations

import pytest
from django.db import OperationalError, connection
from django.test import Client, override_settings


@pytest.mark.django_db
@override_settings(SECURE_SSL_REDIRECT=True, ALLOWED_HOSTS=["mail.example.org"])
@pytest.mark.parametrize(("path", "text"), [("/healthz", "alive"), ("/readyz", "ready")])
def test_whoever_asks_from_the_same_machine_gets_an_answer_without_host_name_or_tls(path: str, text: str) -> None:
    answer = Client().get(path, headers={"host": "127.0.0.1:8000"})
    assert (answer.status_code, answer.content.decode().strip()) == (200, text)
    assert answer["Cache-Control"] == "no-store"


@pytest.mark.django_db
def test_without_its_database_a_process_is_alive_and_not_ready(caplog: pytest.LogCaptureFixture) -> None:
    def refuse(*_: object) -> None:
        raise OperationalError("could not connect to ada@example.com")

    with connection.execute_wrapper(refuse):
        assert Client().get("/healthz").status_code == 200
        answer = Client().get("/readyz")
    assert (answer.status_code, answer.content) == (503, b"not ready: database\n")
    assert "ada@" not in caplog.text
