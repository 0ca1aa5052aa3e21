"""Reports as mailbox providers write them, and the traffic they are about."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from uuid import uuid4

from django.utils import timezone

from campaigns.models import Domain, Door, Event, EventKind, Message, MessageState, Purpose, Submission, SubmissionState
from tests.factories import make_sender, make_transport

NAMESPACE = 'xmlns="urn:ietf:params:xml:ns:dmarc-2.0"'


def make_dmarc_xml(
    domain: str,
    *,
    day: date,
    rows: Sequence[tuple[str, int]],
    failing: Collection[str] = (),
    report_id: str = "",
    header_from: str = "",
    reporter: str = "google.com",
    namespace: str = "",
) -> bytes:
    """One report of a day: (address, mails) of servers; those in `failing` pass by nothing."""
    begin = int(datetime.combine(day, time.min, UTC).timestamp())
    records = "".join(
        f"<record><row><source_ip>{address}</source_ip><count>{count}</count><policy_evaluated>"
        f"<disposition>{'quarantine' if address in failing else 'none'}</disposition>"
        f"<dkim>{'fail' if address in failing else 'pass'}</dkim><spf>{'fail' if address in failing else 'pass'}</spf>"
        "</policy_evaluated></row><identifiers><envelope_to>person@example.net</envelope_to>"
        f"<envelope_from>bounces.{domain}</envelope_from><header_from>{header_from or domain}</header_from></identifiers>"
        f"<auth_results><dkim><domain>{domain}</domain><selector>sp1</selector><result>pass</result></dkim>"
        f"<spf><domain>bounces.{domain}</domain><result>pass</result></spf></auth_results></record>"
        for address, count in rows
    )
    return (
        f'<?xml version="1.0" encoding="UTF-8" ?>\n<feedback {namespace}><version>1.0</version><report_metadata>'
        f"<org_name>{reporter}</org_name><email>noreply@example.net</email>"
        f"<report_id>{report_id or uuid4()}</report_id><date_range><begin>{begin}</begin><end>{begin + 86399}</end>"
        f"</date_range></report_metadata><policy_published><domain>{domain}</domain><adkim>r</adkim><aspf>r</aspf>"
        f"<p>none</p></policy_published>{records}</feedback>"
    ).encode()


def make_tls_json(domain: str, *, day: date, good: int, bad: int = 0, report_id: str = "") -> bytes:
    """One TLS report of a day; what failed had an expired certificate."""
    details = [
        {"result-type": "certificate-expired", "sending-mta-ip": "192.0.2.9", "failed-session-count": bad}
    ]  # fmt: skip
    report = {
        "organization-name": "Company-X",
        "date-range": {"start-datetime": f"{day}T00:00:00Z", "end-datetime": f"{day}T23:59:59Z"},
        "contact-info": "sts-reporting@company-x.example",
        "report-id": report_id or str(uuid4()),
        "policies": [
            {
                "policy": {"policy-type": "sts", "policy-domain": domain, "mx-host": ["mx.example.com"]},
                "summary": {"total-successful-session-count": good, "total-failure-session-count": bad},
                "failure-details": details if bad else [],
            }
        ],
    }
    return json.dumps(report).encode()


DEFAULT_TRAFFIC: Mapping[str, tuple[int, int, int]] = {
    "gmail.com": (1300, 8, 3),
    "outlook.de": (400, 3, 0),
    "yahoo.co.uk": (160, 2, 0),
    "example.net": (300, 24, 0),
}


def write_traffic(
    domain: Domain,
    traffic: Mapping[str, tuple[int, int, int]] = DEFAULT_TRAFFIC,
    *,
    kind: str = "smtp",
    age: timedelta = timedelta(days=1),
) -> None:
    """Mail of a campaign as the ledger holds it: recipient domain → (mails, came back, complained)."""
    at = timezone.now() - age
    submission = Submission.objects.create(
        account=domain.account, door=Door.CAMPAIGN, purpose=Purpose.MARKETING, state=SubmissionState.DONE,
        sender=make_sender(domain.account, domain=domain, email=f"s{uuid4().hex[:6]}@{domain.name}"),
        transport=make_transport(domain.account, kind=kind), send_at=at, valid_until=at + timedelta(days=2),
    )  # fmt: skip
    rows = []
    for name, (mails, bounced, _) in traffic.items():
        for number in range(mails):
            state = MessageState.BOUNCED if number < bounced else MessageState.DELIVERED
            rows.append(
                Message(
                    submission=submission, recipient=f"p{number}@{name}", recipient_domain=name,
                    address_key=f"{number}@{name}", state=state, next_attempt_at=at, sent_at=at,
                )
            )  # fmt: skip
    Message.objects.bulk_create(rows, batch_size=1000)
    for name, (_, _, complained) in traffic.items():
        angry = Message.objects.filter(submission=submission, recipient_domain=name, state=MessageState.DELIVERED)
        # Complaining twice about one mail is one complaint.
        Event.objects.bulk_create(
            Event(message=message, kind=EventKind.COMPLAINED, at=at) for message in angry[:complained] for _ in range(2)
        )
