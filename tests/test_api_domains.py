"""/email/1/domains: added, looked at, verified, deleted, by raw requests and by the official SDK."""

from __future__ import annotations

from typing import Any

import pytest
import time_machine
from infobip_api_client.exceptions import ConflictException, NotFoundException
from pytest_django import DjangoCaptureOnCommitCallbacks
from pytest_django.live_server_helper import LiveServer

from campaigns import tasks
from campaigns.domains.creation import create_domain
from campaigns.domains.expected import expected_records
from campaigns.models import Domain, Submission
from campaigns.numbers import number_of
from tests.api_resources import PatientProgram, faults, official_client, refusal_of, sdk
from tests.dns_server import DnsServer
from tests.factories import make_account, make_domain, make_sender

pytestmark = pytest.mark.django_db
DOMAINS = "/email/1/domains"
NEW = {"domainName": "news.example.org", "targetedDailyTraffic": 1000}


@pytest.fixture
def program(clock: time_machine.Traveller) -> PatientProgram:
    return PatientProgram(clock)


def add(program: PatientProgram, **changes: Any) -> Any:
    return program.post(DOMAINS, {**NEW, **changes})


def test_a_domain_is_added_with_the_records_to_publish(program: PatientProgram) -> None:
    response = add(program)
    assert response.status_code == 200
    domain = Domain.objects.get(name="news.example.org")
    answer = response.json()
    assert domain.account == program.account
    assert answer["domainId"] == number_of(domain.public_id)
    assert (answer["domainName"], answer["active"], answer["blocked"]) == ("news.example.org", False, False)
    assert answer["tracking"] == {"clicks": True, "opens": True, "unsubscribe": True}
    assert answer["createdAt"].endswith("+0000")
    assert [(record["name"], record["expectedValue"], record["verified"]) for record in answer["dnsRecords"]] == [
        (record.host, record.value, False) for record in expected_records(domain)
    ]


def test_a_domain_is_found_by_any_form_of_its_name(program: PatientProgram) -> None:
    answer = add(program, domainName="Bücher.Example.ORG").json()
    assert answer["domainName"] == "xn--bcher-kva.example.org"
    for name in ("bücher.example.org", "XN--BCHER-KVA.example.org"):
        assert program.get(f"{DOMAINS}/{name}").json() == answer


def test_a_domain_is_added_once(program: PatientProgram) -> None:
    add(program)
    response = add(program)
    assert response.status_code == 409
    assert response.json()["requestError"]["serviceException"]["messageId"] == "CONFLICT"
    assert add(PatientProgram(program.clock)).status_code == 200


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"domainName": ""}, "domainName"),
        ({"domainName": "no domain"}, "domainName"),
        ({"domainName": "gmail.com"}, "domainName"),
        ({"domainName": None}, "domainName"),
        ({"domainName": "x" * 101}, "domainName"),
        ({"domainName": "a\0.example"}, "domainName"),
        ({"targetedDailyTraffic": 0}, "targetedDailyTraffic"),
        ({"targetedDailyTraffic": None}, "targetedDailyTraffic"),
        ({"dkimKeyLength": 512}, "dkimKeyLength"),
        ({"returnPathAddress": "bounce@elsewhere.example"}, "returnPathAddress"),
        ({"returnPathAddress": "none"}, "returnPathAddress"),
    ],
)
def test_a_fault_of_a_new_domain_is_told_by_its_field(
    program: PatientProgram, changes: dict[str, Any], fault: str
) -> None:
    assert faults(add(program, **changes)).keys() == {fault}
    assert Domain.objects.filter(name__contains="news").count() == 0


def test_domains_come_in_pages(program: PatientProgram) -> None:
    names = [program.domain.name, *(make_domain(program.account).name for _ in range(4))]
    make_domain(make_account())
    first = program.get(DOMAINS, size=2).json()
    assert first["paging"] == {"page": 0, "size": 2, "totalPages": 3, "totalResults": 5}
    last = program.get(DOMAINS, size=2, page=2).json()
    assert [entry["domainName"] for entry in [*first["results"], *last["results"]]] == [*names[:2], names[4]]
    assert program.get(DOMAINS, page=9).json()["results"] == []
    assert faults(program.get(DOMAINS, size=21, page=-1)).keys() == {"size", "page"}


def test_tracking_switches_change_one_by_one(program: PatientProgram) -> None:
    path = f"{DOMAINS}/{program.domain.name}/tracking"
    assert program.put(path, {"open": False}).json()["tracking"] == {
        "clicks": True,
        "opens": False,
        "unsubscribe": True,
    }
    answer = program.put(path, {"clicks": False, "unsubscribe": False, "opens": True}).json()
    assert answer["tracking"] == {"clicks": False, "opens": True, "unsubscribe": False}
    assert program.put(path, {}).json() == answer


def test_the_return_path_is_changed_and_taken_away(program: PatientProgram) -> None:
    path, mailbox = f"{DOMAINS}/{program.domain.name}/return-path", f"bounce@{program.domain.name}"
    assert program.put(path, {"returnPathAddress": mailbox}).json()["returnPathAddress"] == mailbox
    assert program.put(path, {"returnPathAddress": ""}).json()["returnPathAddress"] == ""
    assert faults(program.put(path, {"returnPathAddress": "a@b.example"})).keys() == {"returnPathAddress"}


def test_verifying_is_answered_at_once_and_done_in_the_background(
    program: PatientProgram,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    domain = create_domain(program.account, name="news.example.org")
    with DnsServer() as dns:
        for record in expected_records(domain):
            dns.publish(record.host, record.strings)
        monkeypatch.setattr(tasks, "make_resolver", lambda: dns.resolver)
        with django_capture_on_commit_callbacks(execute=True):
            response = program.post(f"{DOMAINS}/news.example.org/verify", None)
    assert (response.status_code, response.content) == (202, b"")
    answer = program.get(f"{DOMAINS}/news.example.org").json()
    assert answer["active"]
    assert all(record["verified"] for record in answer["dnsRecords"])


def test_a_domain_is_deleted_and_its_mail_stays(program: PatientProgram) -> None:
    program.send()
    assert program.delete(f"{DOMAINS}/{program.domain.name}").status_code == 204
    assert program.get(f"{DOMAINS}/{program.domain.name}").status_code == 404
    assert Submission.objects.get().domain is None


def test_a_domain_people_send_from_is_not_deleted(program: PatientProgram) -> None:
    make_sender(program.account, domain=program.domain)
    response = program.delete(f"{DOMAINS}/{program.domain.name}")
    assert response.status_code == 409
    assert Domain.objects.filter(pk=program.domain.pk).exists()


@pytest.mark.django_db(transaction=True)
def test_the_official_sdk_manages_domains(
    live_server: LiveServer, clock: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = PatientProgram(clock)
    with official_client(live_server.url, program) as api:
        new = sdk.EmailAddDomainRequest(domain_name="news.example.org", targeted_daily_traffic=1000)
        added = api.add_domain(email_add_domain_request=new)
        assert (added.domain_name, added.active, len(added.dns_records)) == ("news.example.org", False, 3)
        with pytest.raises(ConflictException) as conflict:
            api.add_domain(email_add_domain_request=new)
        assert refusal_of(conflict).request_error.service_exception.message_id == "CONFLICT"
        assert api.get_domain_details(domain_name="news.example.org") == added
        listed = api.get_all_domains(size=20)
        assert (listed.paging.total_results, listed.results[1]) == (2, added)
        changed = api.update_tracking_events(
            domain_name="news.example.org", email_tracking_event_request=sdk.EmailTrackingEventRequest(open=False)
        )
        assert (changed.tracking.opens, changed.tracking.clicks) == (False, True)
        with DnsServer() as dns:
            for record in added.dns_records:
                dns.publish(record.name, [record.expected_value[:200], record.expected_value[200:]])
            monkeypatch.setattr(tasks, "make_resolver", lambda: dns.resolver)
            api.verify_domain(domain_name="news.example.org")
        assert api.get_domain_details(domain_name="news.example.org").active
        api.delete_domain(domain_name="news.example.org")
        with pytest.raises(NotFoundException) as missing:
            api.get_domain_details(domain_name="news.example.org")
        assert refusal_of(missing).request_error.service_exception.message_id == "NOT_FOUND"
