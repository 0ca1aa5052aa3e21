"""/email/2/validation(s): one address at once, many in the background, each judged without asking a mail server."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from pydantic import ValidationError
from pytest_django import DjangoCaptureOnCommitCallbacks
from pytest_django.live_server_helper import LiveServer

from campaigns import addresses, tasks, tokens
from campaigns.api import validation
from campaigns.audiences import checking, suppression
from campaigns.models import AddressCheck, AddressCheckRun, SuppressionReason, SuppressionScope
from tests.api_resources import PatientProgram, faults, official_client, sdk
from tests.dns_server import DnsServer
from tests.factories import make_account

pytestmark = pytest.mark.django_db
ONE, MANY = "/email/2/validation", "/email/2/validations"


@pytest.fixture
def dns(monkeypatch: pytest.MonkeyPatch) -> Iterator[DnsServer]:
    with DnsServer() as server:
        server.records["gmail.com", "MX"] = ["5 mx.gmail.com."]
        server.records["x.example", "MX"] = ["10 mx.x.example."]
        server.records["plain.example", "A"] = ["192.0.2.1"]
        server.records["null.example", "MX"] = ["0 ."]
        server.records["yopmail.com", "MX"] = ["10 mx.yopmail.com."]
        server.broken.add("broken.example")
        monkeypatch.setattr(tasks, "make_resolver", lambda: server.resolver)
        monkeypatch.setattr(validation, "make_resolver", lambda: server.resolver)
        yield server


@pytest.fixture
def program(clock: time_machine.Traveller, dns: DnsServer) -> PatientProgram:
    return PatientProgram(clock)


@pytest.fixture
def start(program: PatientProgram, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks) -> Any:
    def start(*people: str, **body: Any) -> Any:
        """The answer to having these addresses checked; they are checked when it returns."""
        with django_capture_on_commit_callbacks(execute=True):
            return program.post(MANY, {"destinations": [{"destination": text} for text in people], **body})

    return start


def check(program: PatientProgram, text: str) -> dict[str, Any]:
    response = program.post(ONE, {"to": text})
    assert response.status_code == 200, response.content
    answer: dict[str, Any] = response.json()
    assert answer.pop("to") == text
    assert answer.pop("catchAll") is False
    return answer


GOOD = {"validMailbox": "unknown", "validSyntax": True, "disposable": False, "roleBased": False, "risk": "LOW"}


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        ("ann@x.example", {}),
        ("ann@plain.example", {}),
        ("no address", {"validMailbox": "false", "validSyntax": False, "risk": "HIGH"}),
        ("ann@x..example", {"validMailbox": "false", "validSyntax": False, "risk": "HIGH"}),
        ("ann@gone.example", {"validMailbox": "false", "risk": "HIGH", "detailedReasons": "no_mail_server"}),
        ("ann@null.example", {"validMailbox": "false", "risk": "HIGH", "detailedReasons": "no_mail_server"}),
        ("ann@broken.example", {"risk": "UNKNOWN", "reason": "TIMED_OUT"}),
        ("Sales+x@x.example", {"roleBased": True, "risk": "MEDIUM"}),
        ("ann@yopmail.com", {"disposable": True, "risk": "HIGH", "detailedReasons": "disposable_address"}),
        (
            "ann@gmial.com",
            {
                "validMailbox": "false",
                "risk": "HIGH",
                "detailedReasons": "no_mail_server",
                "didYouMean": "ann@gmail.com",
            },
        ),
    ],
)
def test_an_address_is_judged(program: PatientProgram, text: str, changes: dict[str, Any]) -> None:
    assert check(program, text) == {**GOOD, **changes}


def test_a_typo_of_a_domain_that_takes_mail_is_suggested(program: PatientProgram, dns: DnsServer) -> None:
    dns.records["gmal.com", "MX"] = ["10 trap.gmal.com."]
    assert check(program, "Ann@gmal.com") == {**GOOD, "risk": "MEDIUM", "didYouMean": "Ann@gmail.com"}
    dns.records["gmall.com", "MX"] = dns.records["mail.com", "MX"] = ["10 mx.mail.com."]
    assert "didYouMean" not in check(program, "ann@mail.com")


def test_an_address_that_bounced_here_is_known(program: PatientProgram) -> None:
    key = tokens.address_key(addresses.parse("ann@x.example"), account=program.account.public_id)
    suppression.suppress(
        program.account, address_key=key, scope=SuppressionScope.EVERYTHING, reason=SuppressionReason.BOUNCE
    )
    assert check(program, "ANN@x.example") == {
        **GOOD,
        "validMailbox": "false",
        "risk": "HIGH",
        "detailedReasons": "known_hardbounce",
    }
    assert check(PatientProgram(program.clock), "ann@x.example") == GOOD


def test_a_form_will_do_and_xml_is_answered_when_asked(program: PatientProgram) -> None:
    response = program.client.post(
        ONE,
        "to=ann%40x.example",
        "application/x-www-form-urlencoded",
        headers={**program.headers, "accept": "application/xml"},
    )
    assert response["Content-Type"] == "application/xml"
    assert "<ValidationResponse><validMailbox>unknown</validMailbox>" in response.content.decode()
    assert "<to>ann@x.example</to>" in response.content.decode()


@pytest.mark.parametrize("body", [{}, {"to": ""}, {"to": None}, {"to": "secret" * 60}, {"to": ["secret"]}])
def test_one_address_is_needed(program: PatientProgram, body: Any) -> None:
    response = program.post(ONE, body)
    assert faults(response).keys() == {"to"}
    assert response.json()["requestError"]["serviceException"]["messageId"] == "BAD_REQUEST"
    assert "secret" not in response.content.decode()


def test_many_addresses_are_checked_in_the_background(program: PatientProgram, start: Any) -> None:
    response = start("ann@x.example", "no address", "ann@gmial.com", validationRequestId="spring")
    assert (response.status_code, response.json()) == (202, {"validationRequestId": "spring"})
    answer = program.get(MANY, validationRequestId="spring").json()
    assert answer["paging"] == {"size": 100, "previousCursor": "", "nextCursor": ""}
    first, second, third = answer["results"]
    assert first.pop("bulkValidationDate").endswith("+0000")
    assert first == {**GOOD, "destination": "ann@x.example", "catchAll": False, "validationRequestId": "spring"}
    assert (second["destination"], second["validSyntax"]) == ("no address", False)
    assert third["didYouMean"] == "ann@gmail.com"


def test_a_request_without_a_name_gets_one(program: PatientProgram, start: Any) -> None:
    name = start("ann@x.example").json()["validationRequestId"]
    assert len(program.get(MANY, validationRequestId=name).json()["results"]) == 1


def test_addresses_lie_sealed_before_and_after(program: PatientProgram, start: Any) -> None:
    program.post(MANY, {"destinations": [{"destination": "ann@x.example"}]})
    waiting = AddressCheckRun.objects.get()
    assert b"ann" not in bytes(waiting.destinations_sealed)
    start("ann@x.example")
    assert b"ann" not in bytes(AddressCheck.objects.get().address_sealed)
    assert bytes(AddressCheckRun.objects.latest("pk").destinations_sealed) == b""


def test_results_come_in_pages_both_ways(program: PatientProgram, start: Any) -> None:
    people = [f"p{n}@x.example" for n in range(5)]
    start(*people)

    def page(cursor: str = "") -> tuple[list[str], str, str]:
        answer = program.get(MANY, size=2, cursor=cursor).json()
        paging = answer["paging"]
        return [row["destination"] for row in answer["results"]], paging["previousCursor"], paging["nextCursor"]

    first, before, following = page()
    assert (first, before) == (people[:2], "")
    second, before, last = page(following)
    assert (second, page(last)[0], page(last)[2]) == (people[2:4], people[4:], "")
    again, before, following = page(before)
    assert (again, before) == (first, "")
    assert page(following)[0] == second


def test_a_cursor_opens_for_its_own_account_only(program: PatientProgram, start: Any) -> None:
    start("a@x.example", "b@x.example")
    cursor = program.get(MANY, size=1).json()["paging"]["nextCursor"]
    stranger = PatientProgram(program.clock)
    fault = {"cursor": "must be a cursor of an earlier page"}
    assert faults(stranger.get(MANY, cursor=cursor)) == fault
    assert faults(program.get(MANY, cursor="ž7")) == faults(program.get(MANY, cursor="7")) == fault


def test_results_are_narrowed(program: PatientProgram, start: Any) -> None:
    start("ann@x.example", "no address", "info@x.example", "ann@yopmail.com", "ann@gone.example", "ann@broken.example")

    def found(**query: Any) -> list[str]:
        response = program.get(MANY, **query)
        assert response.status_code == 200, response.content
        return [row["destination"].partition("@")[0] for row in response.json()["results"]]

    assert found(destination=["ANN@x.example", "no address"]) == ["ann", "no address"]
    assert found(validSyntax="false") == ["no address"]
    assert found(validMailbox="false") == ["no address", "ann"]
    assert found(roleBased="true") == ["info"]
    assert found(disposable="true", risk="HIGH") == ["ann"]
    assert found(risk="UNKNOWN") == ["ann"]
    assert found(catchAll="true") == found(validMailbox="true") == found(validationRequestId="other") == []
    assert len(found(catchAll="false", validSyntax="true")) == 5


def test_results_of_a_week_are_shown_and_those_of_a_month_kept(
    program: PatientProgram, start: Any, clock: time_machine.Traveller
) -> None:
    start("ann@x.example")
    clock.shift(timedelta(days=8))
    tasks.forget_expired()
    assert program.get(MANY).json()["results"] == []
    since = (datetime.now(UTC) - timedelta(days=20)).strftime("%Y-%m-%dT%H:%M:%S.000+0000")
    assert len(program.get(MANY, validatedDateFrom=since).json()["results"]) == 1
    assert program.get(MANY, validatedDateFrom=since, validatedDateTo=since).json()["results"] == []
    clock.shift(timedelta(days=24))
    tasks.forget_expired()
    assert not AddressCheckRun.objects.exists()


def test_nobody_reads_the_results_of_others(program: PatientProgram, start: Any) -> None:
    start("ann@x.example", validationRequestId="spring")
    stranger = PatientProgram(program.clock)
    for query in ({}, {"validationRequestId": "spring"}, {"destination": "ann@x.example"}):
        assert stranger.get(MANY, **query).json()["results"] == []


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ({"destinations": []}, "destinations"),
        ({}, "destinations"),
        ({"destinations": [{"destination": ""}]}, "destinations[0].destination"),
        ({"destinations": [{"destination": "secret" * 60}]}, "destinations[0].destination"),
        ({"destinations": [{"destination": "a"}], "validationRequestId": "x" * 201}, "validationRequestId"),
        ({"destinations": [{"destination": "a"}], "validationRequestId": "a\0b"}, "validationRequestId"),
    ],
)
def test_a_fault_of_a_request_is_told_by_its_path(program: PatientProgram, body: Any, fault: str) -> None:
    response = program.post(MANY, body)
    assert faults(response).keys() == {fault}
    assert "secret" not in response.content.decode()


def test_texts_that_are_no_addresses_do_no_harm(program: PatientProgram, start: Any) -> None:
    texts = ["\0", "\u202e", "a@b@c", "'; DROP TABLE", "@", "x" * 320]
    assert start(*texts).status_code == 202
    assert len(program.get(MANY, validSyntax="false").json()["results"]) == len(texts)
    assert start("\ud800").status_code == 400


def test_a_stopped_run_goes_on_after_what_is_done(
    program: PatientProgram, start: Any, monkeypatch: pytest.MonkeyPatch, dns: DnsServer
) -> None:
    monkeypatch.setattr(checking, "_CHUNK", 2)
    run = checking.start_run(program.account, destinations=[f"p{n}@x.example" for n in range(5)])
    assert checking.run_checks(run.pk, resolver=dns.resolver, budget_seconds=0)
    assert AddressCheck.objects.count() == 2
    assert checking.find_stopped(now=datetime.now(UTC)) == [run.pk]
    assert not checking.run_checks(run.pk, resolver=dns.resolver, budget_seconds=60)
    assert [row.number for row in AddressCheck.objects.order_by("pk")] == [0, 1, 2, 3, 4]
    assert checking.find_stopped(now=datetime.now(UTC)) == []
    assert not checking.run_checks(run.pk, resolver=dns.resolver, budget_seconds=60)
    assert AddressCheck.objects.count() == 5


def test_a_run_in_another_workers_hands_is_left_alone_until_its_lease_ends(
    program: PatientProgram, dns: DnsServer, clock: time_machine.Traveller
) -> None:
    run = checking.start_run(program.account, destinations=["ann@x.example"])
    AddressCheckRun.objects.filter(pk=run.pk).update(lease_until=datetime.now(UTC) + timedelta(minutes=1))
    assert not checking.run_checks(run.pk, resolver=dns.resolver, budget_seconds=60)
    assert not AddressCheck.objects.exists()
    clock.shift(90)
    checking.run_checks(run.pk, resolver=dns.resolver, budget_seconds=60)
    assert AddressCheck.objects.count() == 1


def test_a_run_that_does_not_open_ends(dns: DnsServer) -> None:
    run = checking.start_run(make_account(), destinations=["ann@x.example"])
    AddressCheckRun.objects.filter(pk=run.pk).update(destinations_sealed=b"broken")
    assert not checking.run_checks(run.pk, resolver=dns.resolver, budget_seconds=60)
    assert checking.find_stopped(now=datetime.now(UTC)) == []


def test_each_domain_is_asked_once_in_a_run(program: PatientProgram, dns: DnsServer) -> None:
    run = checking.start_run(program.account, destinations=["a@broken.example", "b@broken.example", "c@x.example"])
    checking.run_checks(run.pk, resolver=dns.resolver, budget_seconds=60)
    assert [row.risk for row in AddressCheck.objects.order_by("pk")] == ["UNKNOWN", "UNKNOWN", "LOW"]


@pytest.mark.django_db(transaction=True)
def test_the_official_sdk_validates_addresses(
    live_server: LiveServer, clock: time_machine.Traveller, dns: DnsServer
) -> None:
    program = PatientProgram(clock)
    with official_client(live_server.url, program) as api:
        one = api.validate_email_addresses(email_validation_request=sdk.EmailValidationRequest(to="info@gmial.com"))
        assert (one.valid_mailbox, one.role_based, one.did_you_mean, one.risk) == (
            "false",
            True,
            "info@gmail.com",
            "HIGH",
        )
        started = api.request_validations(
            email_validation_api_bulk_request=sdk.EmailValidationApiBulkRequest(
                destinations=[sdk.EmailValidationDestination(destination="ann@x.example")],
                validation_request_id="spring",
            )
        )
        assert started.validation_request_id == "spring"
        # It wants true or false where the documentation has a text (infobip.md §7.4, fault 3): nobody can serve both.
        with pytest.raises(ValidationError, match="validMailbox"):
            api.get_validations(destination=["ann@x.example"], valid_syntax=True)
        raw = api.get_validations_without_preload_content(destination=["ann@x.example"], valid_syntax=True)
        assert raw.status == 200
