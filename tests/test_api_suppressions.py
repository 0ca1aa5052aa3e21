"""/email/1/suppressions: what bounced, complained or was added, listed with its address and lifted."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
from infobip_api_client.exceptions import BadRequestException
from pytest_django.live_server_helper import LiveServer

from campaigns import addresses, tokens
from campaigns.audiences import suppression
from campaigns.models import EventKind, Suppression, SuppressionReason, SuppressionScope, Transport
from campaigns.tracking.record import Report, record_reports
from tests.api_resources import PatientProgram, faults, official_client, refusal_of, sdk
from tests.factories import make_domain

pytestmark = pytest.mark.django_db
PATH = "/email/1/suppressions"


@pytest.fixture
def program(clock: time_machine.Traveller) -> PatientProgram:
    return PatientProgram(clock)


def groups(program: PatientProgram, *people: str, type: str = "BOUNCE") -> dict[str, Any]:  # noqa: A002
    return {
        "suppressions": [
            {"domainName": program.domain.name, "emailAddress": [*people] or ["ann@x.example"], "type": type}
        ]
    }


def listed(program: PatientProgram, type: str = "BOUNCE", **query: Any) -> list[str]:  # noqa: A002
    response = program.get(PATH, domainName=program.domain.name, type=type, **query)
    assert response.status_code == 200, response.content
    return [entry["emailAddress"] for entry in response.json()["results"]]


def test_added_addresses_are_listed_and_stop_mail(program: PatientProgram) -> None:
    assert program.post(PATH, groups(program, "Ann@x.example", "bob@bücher.example")).status_code == 204
    answer = program.get(PATH, domainName=program.domain.name, type="BOUNCE").json()
    assert answer["paging"] == {"page": 0, "size": 100}
    newest, oldest = answer["results"]
    assert (newest["emailAddress"], oldest["emailAddress"]) == ("bob@bücher.example", "Ann@x.example")
    assert (newest["domainName"], newest["type"], newest["reason"]) == (
        program.domain.name,
        "BOUNCE",
        "Added by a program",
    )
    assert newest["createdDate"].endswith("+0000")
    assert listed(program, "COMPLAINT") == listed(program, "OVER_QUOTA") == []
    program.send("ANN@x.example", "cay@x.example")
    assert [mail["to"] for mail in program.work()] == ["cay@x.example"]


def test_the_address_lies_sealed_in_its_row(program: PatientProgram) -> None:
    program.post(PATH, groups(program, "ann@x.example"))
    row = Suppression.objects.get()
    assert row.address_sealed is not None
    assert b"ann" not in bytes(row.address_sealed)


def test_an_address_added_twice_keeps_its_first_entry(program: PatientProgram) -> None:
    for kind in ("BOUNCE", "BOUNCE", "COMPLAINT"):
        assert program.post(PATH, groups(program, type=kind)).status_code == 204
    assert (listed(program), listed(program, "COMPLAINT")) == (["ann@x.example"], [])


def test_lifting_takes_the_reason_named_and_no_other(program: PatientProgram) -> None:
    program.post(PATH, groups(program, "ann@x.example", "bob@x.example"))
    program.post(PATH, groups(program, "cay@x.example", type="COMPLAINT"))
    body = groups(program, "ANN@X.example", "cay@x.example", "nobody@x.example")
    assert program.delete(PATH, body).status_code == 204
    assert (listed(program), listed(program, "COMPLAINT")) == (["bob@x.example"], ["cay@x.example"])
    assert program.delete(PATH, groups(program, "bob@x.example", type="OVER_QUOTA")).status_code == 204
    assert listed(program) == ["bob@x.example"]


def test_what_a_provider_reports_is_listed_too(program: PatientProgram) -> None:
    program.send("ann@x.example", "bob@x.example")
    program.work()
    dead, angry = program.account.submissions.get().messages.order_by("pk")
    reports = [
        Report(dead.public_id, EventKind.BOUNCED, is_dead=True, code="smtp.550-5.1.1"),
        Report(angry.public_id, EventKind.COMPLAINED),
    ]
    record_reports(reports, transport=Transport.objects.get(account=program.account), now=datetime.now(UTC))
    assert (listed(program), listed(program, "COMPLAINT")) == (["ann@x.example"], ["bob@x.example"])


def test_entries_that_never_knew_their_address_are_not_listed(program: PatientProgram) -> None:
    key = tokens.address_key(addresses.parse("ann@x.example"), account=program.account.public_id)
    suppression.suppress(
        program.account, address_key=key, scope=SuppressionScope.EVERYTHING, reason=SuppressionReason.BOUNCE
    )
    assert listed(program) == []
    program.delete(PATH, groups(program, "ann@x.example"))
    assert not Suppression.objects.exists()


def test_people_who_unsubscribed_are_kept_apart(program: PatientProgram) -> None:
    key = tokens.address_key(addresses.parse("ann@x.example"), account=program.account.public_id)
    suppression.suppress(
        program.account, address_key=key, scope=SuppressionScope.MARKETING, reason=SuppressionReason.UNSUBSCRIBED
    )
    for kind in ("BOUNCE", "COMPLAINT"):
        program.delete(PATH, groups(program, "ann@x.example", type=kind))
    assert Suppression.objects.filter(reason=SuppressionReason.UNSUBSCRIBED).exists()


def test_the_list_is_narrowed_by_address_domain_and_time(
    program: PatientProgram, clock: time_machine.Traveller
) -> None:
    program.post(PATH, groups(program, "ann@x.example"))
    clock.shift(3600)
    between = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "+0000")
    clock.shift(3600)
    program.post(PATH, groups(program, "bob@bücher.example"))
    assert listed(program, emailAddress="ANN@x.example") == ["ann@x.example"]
    assert listed(program, recipientDomain="xn--bcher-kva.example") == ["bob@bücher.example"]
    assert listed(program, createdDateFrom=between) == ["bob@bücher.example"]
    assert listed(program, createdDateTo=between) == ["ann@x.example"]


def test_the_list_comes_in_pages_the_newest_first(program: PatientProgram) -> None:
    program.post(PATH, groups(program, *(f"p{n}@x.example" for n in range(5))))
    assert listed(program, size=2) == ["p4@x.example", "p3@x.example"]
    assert listed(program, size=2, page=2) == ["p0@x.example"]
    assert listed(program, size=2, page=3) == []


def test_missing_parameters_are_named(program: PatientProgram) -> None:
    assert faults(program.get(PATH)) == {"domainName": "must not be null", "type": "must not be null"}
    assert program.get(PATH).json()["errorCode"] == "E400"


@pytest.mark.parametrize(
    ("query", "fault"),
    [
        ({"domainName": "elsewhere.example"}, "domainName"),
        ({"domainName": "a\0b"}, "domainName"),
        ({"type": "SPAM"}, "type"),
        ({"emailAddress": "secret"}, "emailAddress"),
        ({"recipientDomain": "no domain"}, "recipientDomain"),
        ({"createdDateFrom": "yesterday"}, "createdDateFrom"),
        ({"size": 1001}, "size"),
        ({"page": -1}, "page"),
    ],
)
def test_a_fault_of_a_question_is_told_by_its_field(program: PatientProgram, query: dict[str, Any], fault: str) -> None:
    response = program.get(PATH, **{"domainName": program.domain.name, "type": "BOUNCE", **query})
    assert faults(response).keys() == {fault}
    assert "secret" not in response.content.decode()


def test_every_fault_of_a_body_is_told_by_its_path_and_nothing_is_done(program: PatientProgram) -> None:
    body = groups(program, "ann@x.example", "secret")
    body["suppressions"].append({"domainName": "elsewhere.example", "emailAddress": ["@"], "type": "COMPLAINT"})
    for method in ("POST", "DELETE"):
        response = program.ask(method, PATH, body)
        assert faults(response) == {
            "suppressions[0].emailAddress[1]": "must be an address",
            "suppressions[1].domainName": "must be one of your domains",
            "suppressions[1].emailAddress[0]": "must be an address",
        }
        assert "secret" not in response.content.decode()
    assert not Suppression.objects.exists()


def test_a_strangers_domain_is_refused_like_one_nobody_has(program: PatientProgram) -> None:
    stranger = PatientProgram(program.clock)
    program.post(PATH, groups(program))
    for method in ("POST", "DELETE"):
        assert faults(stranger.ask(method, PATH, groups(program))) == {
            "suppressions[0].domainName": "must be one of your domains"
        }
    theirs = stranger.get(PATH, domainName=program.domain.name, type="BOUNCE")
    nobodys = stranger.get(PATH, domainName="nobody.example", type="BOUNCE")
    assert theirs.content == nobodys.content
    assert listed(stranger) == []
    assert listed(program) == ["ann@x.example"]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"suppressions": []}, "suppressions"),
        ({"suppressions": [{}] * 11}, "suppressions"),
        ({}, "suppressions"),
    ],
)
def test_a_body_has_one_to_ten_groups(program: PatientProgram, change: dict[str, Any], fault: str) -> None:
    for method in ("POST", "DELETE"):
        assert fault in faults(program.ask(method, PATH, change))


def test_over_quota_cannot_be_added(program: PatientProgram) -> None:
    assert faults(program.post(PATH, groups(program, type="OVER_QUOTA"))).keys() == {"suppressions[0].type"}


def test_ten_thousand_addresses_are_added_by_one_request(program: PatientProgram) -> None:
    group = groups(program)["suppressions"][0]
    body = {
        "suppressions": [
            {**group, "emailAddress": [f"p{n}@x{place}.example" for n in range(1000)]} for place in range(10)
        ]
    }
    assert program.post(PATH, body).status_code == 204
    assert Suppression.objects.count() == 10_000


def test_the_account_owns_the_suppressions_of_its_domains(program: PatientProgram) -> None:
    other = make_domain(program.account)
    PatientProgram(program.clock)
    answer = program.get(f"{PATH}/domains", size=1, page=1).json()
    assert answer["paging"] == {"page": 1, "size": 1}
    (row,) = answer["results"]
    assert (row.pop("domainName"), row.pop("dataAccess")) == (other.name, "OWNER")
    assert len(row) == 8
    assert all(row.values())


@pytest.mark.django_db(transaction=True)
def test_the_official_sdk_manages_suppressions(live_server: LiveServer, clock: time_machine.Traveller) -> None:
    program = PatientProgram(clock)
    name = program.domain.name
    with official_client(live_server.url, program) as api:
        api.add_suppressions(
            email_add_suppression_request=sdk.EmailAddSuppressionRequest(
                suppressions=[
                    sdk.EmailAddSuppression(
                        domain_name=name, email_address=["ann@x.example", "bob@x.example"], type="BOUNCE"
                    )
                ]
            )
        )
        found = api.get_suppressions(
            domain_name=name, type="BOUNCE", created_date_from=datetime(2024, 1, 1, tzinfo=UTC), page=0, size=10
        )
        assert [(row.email_address, row.type) for row in found.results] == [
            ("bob@x.example", "BOUNCE"),
            ("ann@x.example", "BOUNCE"),
        ]
        api.delete_suppressions(
            email_delete_suppression_request=sdk.EmailDeleteSuppressionRequest(
                suppressions=[
                    sdk.EmailDeleteSuppression(domain_name=name, email_address=["bob@x.example"], type="BOUNCE")
                ]
            )
        )
        assert len(api.get_suppressions(domain_name=name, type="BOUNCE").results) == 1
        assert [row.domain_name for row in api.get_domains().results] == [name]
        with pytest.raises(BadRequestException) as refused:
            api.get_suppressions(domain_name="elsewhere.example", type="BOUNCE")
        assert refusal_of(refused).error_code == "E400"
        assert refusal_of(refused).violations[0].var_property == "domainName"
