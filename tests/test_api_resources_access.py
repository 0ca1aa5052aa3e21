"""Every operation on a resource: who may, who may not, and in which envelope that is said."""

from __future__ import annotations

import logging
import re
from typing import Any

import pytest
import time_machine

from campaigns.api.app import api
from campaigns.api.envelopes import is_older
from config.logging import RedactingFormatter
from tests.api_resources import PatientProgram
from tests.factories import make_account

pytestmark = pytest.mark.django_db

TAGS = {"Content", "Domains", "Suppressions", "IP management", "Templates", "Validation"}
EXAMPLES = {"templateId": "7", "domainId": "7", "domainName": "x.example"}
SCOPES = {"Content": "email:message:send", "Templates": "email:templates:manage"}


def operations() -> list[tuple[str, str, str]]:
    """(method, path with ids filled in, tag) of every operation on a resource."""
    found = []
    for path, some in api.get_openapi_schema(path_prefix="").get("paths", {}).items():
        filled = re.sub(r"{(\w+)}", lambda match: EXAMPLES.get(match[1], "0" * 32), path)
        found += [(method.upper(), filled, row["tags"][0]) for method, row in some.items() if row["tags"][0] in TAGS]
    return found


OPERATIONS = operations()
every_operation = pytest.mark.parametrize(
    ("method", "path", "tag"), OPERATIONS, ids=[f"{m} {p}" for m, p, _ in OPERATIONS]
)


def told(response: Any, path: str) -> str:
    """What the refusal is called, from the envelope of the path's family."""
    body = response.json()
    if is_older(path):
        return str(body["requestError"]["serviceException"]["messageId"])
    assert body.keys() == {"errorCode", "description", "action", "violations", "resources"}
    return str(body["errorCode"])


def test_all_operations_of_the_contract_are_there() -> None:
    assert len(OPERATIONS) == len(set(OPERATIONS)) == 42


@every_operation
def test_without_a_key_nothing_is_read(clock: time_machine.Traveller, method: str, path: str, tag: str) -> None:
    program = PatientProgram(clock)
    program.secret = "wrong"
    response = program.ask(method, path, {"anything": "secret"})
    assert (response.status_code, told(response, path)) == (401, "UNAUTHORIZED" if is_older(path) else "E401")
    assert "secret" not in response.content.decode()


@every_operation
def test_a_key_needs_the_scope_of_the_operation(
    clock: time_machine.Traveller, method: str, path: str, tag: str
) -> None:
    response = PatientProgram(clock, scopes=["email:logs:read"]).ask(method, path, {})
    assert (response.status_code, told(response, path)) == (403, "FORBIDDEN" if is_older(path) else "E403")


@every_operation
def test_a_key_with_the_scope_comes_in(clock: time_machine.Traveller, method: str, path: str, tag: str) -> None:
    reads_domains = tag == "Domains" and method == "GET"
    scope = SCOPES.get(tag, "email:message:send" if reads_domains else "email:manage")
    response = PatientProgram(clock, scopes=[scope]).ask(method, path, {})
    assert response.status_code not in {401, 403, 500}
    if response.status_code >= 400:
        assert told(response, path).startswith("E") is not is_older(path)


@every_operation
def test_an_account_under_an_agreement_does_not_come_in_here(
    clock: time_machine.Traveller, method: str, path: str, tag: str
) -> None:
    program = PatientProgram(clock, account=make_account(baa_status="active"))
    assert program.ask(method, path, {}).status_code == 403


@every_operation
def test_too_many_requests_are_told_when_to_come_back(
    clock: time_machine.Traveller, method: str, path: str, tag: str
) -> None:
    program = PatientProgram(clock)
    program.key.max_per_second = 0.001
    program.key.save()
    assert program.ask(method, path, {}).status_code != 429
    response = program.ask(method, path, {})
    assert (response.status_code, told(response, path)) == (429, "TOO_MANY_REQUESTS" if is_older(path) else "E429")
    assert int(response["Retry-After"]) > 0


@pytest.mark.parametrize("path", ["/email/1/domains", "/email/1/suppressions", "/email/1/templates/7"])
def test_a_method_that_is_not_there_is_told(clock: time_machine.Traveller, path: str) -> None:
    response = PatientProgram(clock).ask("TRACE", path)
    assert response.status_code == 405


@pytest.mark.parametrize("path", ["/email/1/templates/seven", "/email/1/ip-management/domains/-1"])
def test_what_is_no_number_is_not_there(clock: time_machine.Traveller, path: str) -> None:
    response = PatientProgram(clock).get(path)
    assert (response.status_code, told(response, path)) == (404, "E404")


def test_the_log_names_nobody(clock: time_machine.Traveller, caplog: pytest.LogCaptureFixture) -> None:
    program, person = PatientProgram(clock), "zqcanary@zqcanary.example"
    groups = {
        "suppressions": [{"domainName": program.domain.name, "emailAddress": [person, "zqcanary"], "type": "BOUNCE"}]
    }
    with caplog.at_level(logging.DEBUG):
        program.post("/email/1/suppressions", groups)
        program.get("/email/1/suppressions", domainName=program.domain.name, type="BOUNCE", emailAddress="zqcanary@")
        program.get("/email/2/validations", destination=person, risk="zqcanary")
        program.post("/email/2/validations", {"destinations": [{"destination": person}], "validationRequestId": 7})
        program.form("POST", "/email/1/templates", html="{{ zqcanary", name="zqcanary")
        program.get(f"/email/1/domains/{person}")
    ours = [record.getMessage() for record in caplog.records if not record.name.startswith("django.db")]
    # The path of an address that is not there is the caller's own doing; it is masked where it looks like an address.
    assert not [text for text in ours if "zqcanary" in RedactingFormatter().format(record_of(text))]


def record_of(text: str) -> logging.LogRecord:
    return logging.LogRecord("x", logging.WARNING, "x", 1, text, (), None)
