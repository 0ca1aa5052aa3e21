"""HIPAA sends on the screens: written, sealed, checked, and never in the clear (hipaa.md R4, S12, S13, B19, B27, §2.5)."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from campaigns import tokens
from campaigns.addresses import parse
from campaigns.models import (
    BaaStatus,
    Campaign,
    HipaaSend,
    Message,
    MessageFile,
    Role,
    Sender,
    Submission,
    SubmissionState,
)
from campaigns.outbox.payload import Personal, open_recipients
from campaigns.planning.hipaa import checking
from campaigns.planning.hipaa.scan import scan_send
from compliance import authorizations, vault
from compliance.admin.uploads import MemoryHandler
from compliance.approvals.contributions import find_contributors
from compliance.authorizations import Signed
from compliance.models import AuditEvent, Authorization, DetectorHit, ShredCertificate
from tests.factories import make_account, make_user, make_version
from tests.hipaa_office import PURPOSE, HipaaOffice, archive, cells, sheet, statements, upload, url, workbook

pytestmark = pytest.mark.django_db

PDF = b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF"


@pytest.fixture
def office() -> HipaaOffice:
    return HipaaOffice()


class Kept(NamedTuple):
    """A message as far as it takes to open it."""

    public_id: UUID
    address_key: str
    placeholders_sealed: bytes


def open_all(submission: Submission, messages: Iterable[Message]) -> list[Personal | None]:
    kept = [Kept(one.public_id, one.address_key, bytes(one.placeholders_sealed or b"")) for one in messages]
    return open_recipients(kept, submission_of=lambda _: submission)


def text(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


def codes(send: HipaaSend) -> set[str]:
    """What stops it."""
    fresh = HipaaSend.objects.get(pk=send.pk)
    return {finding.code for finding in checking.check_send(fresh, now=timezone.now())}


# --- Writing ------------------------------------------------------------------------------------------------------


def test_a_draft_is_written_sealed_and_ready_in_four_steps(office: HipaaOffice) -> None:
    early = office.author.post(url(office.draft(), "submit"), statements())
    assert "No recipients are uploaded" in text(early) or "It is not said what" in text(early)
    send = office.ready()
    assert codes(send) == set()
    assert "Nothing stops it" in text(office.author.get(url(send)))
    assert Submission.objects.get(campaign=send).state == SubmissionState.PAUSED
    actions = AuditEvent.objects.filter(owner=office.clinic.owner).values_list("action", flat=True)
    assert {"content.edited", "recipients.imported"} <= set(actions)
    hands = find_contributors([("campaign", str(send.public_id))], since=None)
    assert hands == {office.clinic.author.id: frozenset({"content", "values", "recipients"})}


@pytest.mark.parametrize(
    ("answers", "basis"), [({"paid": "yes"}, "treatment"), ({"promotes": "yes", "care": "no"}, "operations")]
)
def test_what_the_law_calls_marketing_needs_authorizations(
    office: HipaaOffice, answers: dict[str, str], basis: str
) -> None:
    """B19: treatment and paid for by others do not go together."""
    send = office.draft()
    given = {"name": "x", "template": office.template.pk, "sender": office.sender.pk, "not_before": "", "reference": ""}
    given |= {
        "transport": office.clinic.account.transports.get().pk,
        "legal_basis": basis,
        "promotes": "no",
        "paid": "no",
    }
    answer = office.author.post(url(send, "edit"), given | {"refill": "no", "care": "yes"} | answers)
    assert "it is marketing" in text(answer)
    assert "164.508(a)(3)" in text(answer)
    assert HipaaSend.objects.get().terms.legal_basis == "treatment"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"subject": "About {{ visit }}"}, "hipaa.placeholder-scope"),
        ({"source": '<a href="https://example.org/{{ visit }}">{{ first_name }}</a>'}, "hipaa.placeholder-scope"),
        ({"source": "<p>{{ first_name }}</p>"}, "hipaa.minimum-necessary"),
        ({"source": '<p>{{ first_name }} {{ visit }}</p><img src="https://x.test/a.png">'}, "hipaa.shared-content"),
        ({"subject": "Your oncology appointment"}, "approval.scanner-blocked"),
        ({"source": "<p>{{ first_name }} {{ visit }} your prescription</p>"}, "approval.scanner-unanswered"),
        (
            {"variables": [{"name": "first_name", "default": "friend"}, {"name": "visit", "default": None}]},
            "hipaa.default-placeholders",
        ),
    ],
)
def test_a_template_that_shows_values_to_others_cannot_be_submitted(
    office: HipaaOffice, fields: dict[str, Any], code: str
) -> None:
    """S12, S13, B31, S35, §5."""
    known = {"subject": "A message", "source": office.version.source, "variables": office.version.variables}
    make_version(office.template, **(known | fields))
    send = office.ready()
    assert code in codes(send)
    assert office.author.post(url(send, "submit"), statements()).status_code == 200
    assert not send.submissions.filter(state=SubmissionState.OPEN).exists()


def test_a_warning_is_answered_by_its_author_with_a_reason(office: HipaaOffice) -> None:
    source = office.version.source.replace("<p>your", "<p>your prescription,")
    make_version(office.template, subject="A message", source=source, variables=office.version.variables)
    send = office.ready()
    # What is found is kept when the draft is written; whoever only looks writes nothing.
    assert DetectorHit.objects.all().delete()[0] == 1
    page = office.author.get(url(send)).content.decode()
    assert not DetectorHit.objects.exists()
    digest = page.split('name="digest" value="')[1].split('"')[0]
    assert office.author.post(url(send, "answer"), {"digest": digest, "reason": "nobody-meant"}).status_code == 302
    assert codes(send) == set()
    assert office.author.post(url(send, "answer"), {"digest": "0" * 64, "reason": "other"}).status_code == 404


def test_a_sender_whose_address_names_a_department_is_a_warning(office: HipaaOffice) -> None:
    """S25: it stands beside the subject on every lock screen."""
    send = office.ready()
    assert codes(send) == set()
    Sender.objects.update(email=f"oncology@{office.sender.domain.name}")
    (hit,) = scan_send(HipaaSend.objects.get(pk=send.pk), now=timezone.now()).hits
    assert (hit.found.rule, hit.found.place, hit.found.level) == ("phi.condition", "from-address", "warn")


def test_a_reference_names_a_paragraph_where_it_must_and_a_patient_nowhere(office: HipaaOffice) -> None:
    """B17; it is kept as evidence for years."""
    assert "approval.scanner-blocked" in codes(office.ready(reference="MRN 00482913"))
    add = reverse("admin:campaigns_hipaasend_add")
    given = {
        "name": "x",
        "template": office.template.pk,
        "sender": office.sender.pk,
        "not_before": "",
        "reference": "P-12",
    }
    given |= {"transport": office.clinic.account.transports.get().pk, "legal_basis": "other", **PURPOSE}
    assert "only by a paragraph of 45 CFR 164.512" in text(office.author.post(add, given))
    assert office.author.post(add, given | {"reference": "45 CFR 164.512(b)(1)"}).status_code == 302


# --- Recipients ---------------------------------------------------------------------------------------------------


def test_recipients_are_sealed_for_themselves_alone(office: HipaaOffice) -> None:
    send = office.ready(people=2)
    submission = Submission.objects.get(campaign=send)
    first, second = Message.objects.order_by("pk")
    opened = open_all(submission, [first, second])
    assert [one.values["visit"] for one in opened if one] == ["1 March 2027", "2 March 2027"]
    first.placeholders_sealed, second.placeholders_sealed = second.placeholders_sealed, first.placeholders_sealed
    assert open_all(submission, [first, second]) == [None, None]


def comma_file(visit: str, *, size: int = 0) -> bytes:
    blank = (" " * 30_000 + "\n") * (size // 30_000 + 1)
    return f"Email,First name,Visit\nzqcanary@example.org,Zqcanary,{visit}\n{blank}".encode()


def excel_file(visit: str, *, size: int = 0) -> bytes:
    rows = (("Email", "First name", "Visit"), ("zqcanary@example.org", "Zqcanary", visit))
    written = "".join(cells(*row, number=number) for number, row in enumerate(rows, start=1))
    return workbook(written, size=size)


@pytest.mark.parametrize("make", [comma_file, excel_file])
def test_nothing_of_a_file_is_anywhere_in_the_clear(
    office: HipaaOffice, make: Callable[..., bytes], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """§2.5, §7.1: not in a row, not in a log, and not in a file, however large the upload."""
    caplog.set_level("DEBUG")
    send = office.draft()
    office.declare(send)
    # A folder that does not exist: whoever writes a temporary file fails, even who removes it at once.
    monkeypatch.setattr(tempfile, "tempdir", "/nonexistent")
    wrong = make("zqcanary", size=settings.FILE_UPLOAD_MAX_MEMORY_SIZE)
    assert "does not look like" in text(office.upload(send, wrong))
    right = make("1 May 2027", size=settings.FILE_UPLOAD_MAX_MEMORY_SIZE)
    assert office.upload(send, right).status_code == 302
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names():
            cursor.execute(f'SELECT * FROM "{table}"')  # noqa: S608 (our names)
            cells = [cell for row in cursor.fetchall() for cell in row]
            raw = [bytes(cell) if isinstance(cell, (bytes, memoryview)) else str(cell).encode() for cell in cells]
            assert b"zqcanary" not in b" ".join(raw).lower(), table
    assert "zqcanary" not in caplog.text.lower()


def test_an_upload_stays_in_memory_and_one_that_is_too_large_never_arrives(
    monkeypatch: pytest.MonkeyPatch, office: HipaaOffice
) -> None:
    send = office.draft()
    office.declare(send)
    for place in ("uploads", "send_forms"):
        monkeypatch.setattr(f"compliance.admin.{place}.MOST_BYTES", 10)
    assert "MB together" in text(office.upload(send, sheet(3)))
    assert not Message.objects.exists()
    assert MemoryHandler().chunk_size < settings.FILE_UPLOAD_MAX_MEMORY_SIZE


def test_three_masked_rows_are_looked_at_before_anything_is_submitted(office: HipaaOffice) -> None:
    """B27."""
    send = office.draft()
    office.declare(send)
    office.upload(send, sheet(9))
    page = text(office.author.get(url(send)))
    assert page.count("pat●●●●@ex●●●●.org") == 3
    assert "pat1name" not in page
    assert codes(send) == {"recipients.unconfirmed"}
    office.author.post(url(send, "confirm"))
    assert codes(send) == set()


def test_a_shifted_file_is_kept_only_when_somebody_says_that_it_is_right(office: HipaaOffice) -> None:
    """B27: a sorting slip once sent 56,000 people somebody else's name."""
    send = office.draft()
    office.declare(send)
    names = ["archer", "baker", "carter", "dyer", "ellis", "fisher"]
    rows = [f"{name}@example.org,{other},1 May 2027" for name, other in zip(names, [*names[1:], "Zoe"], strict=True)]
    data = "\n".join(["Email,First name,Visit", *rows]).encode()
    page = text(office.upload(send, data))
    assert "From row 2 on" in page
    assert not Message.objects.exists()
    assert office.upload(send, data, accepts_shift="on").status_code == 302
    assert HipaaSend.objects.get().terms.recipients["shifted_at"] == 2


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"Email,First name,Visit,MRN\nann@example.org,Ann,1 May 2027,7\n", "does not use"),
        (b"Email,First name\nann@example.org,Ann\n", "no column for"),
        (b"Email,First name,Visit\nann@example.org,Ann,<b>\n", "does not look like"),
        (b"Email,First name,Visit\nann@example.org,Ann,\n", "There is no value"),
    ],
)
def test_a_file_with_more_less_or_other_than_declared_is_refused(office: HipaaOffice, data: bytes, words: str) -> None:
    """S13, S35: an undeclared value is refused, not ignored."""
    send = office.draft()
    office.declare(send)
    assert words in text(office.upload(send, data))
    assert not Message.objects.exists()


def test_of_many_bad_rows_the_first_are_named_and_the_others_counted(office: HipaaOffice) -> None:
    send = office.draft()
    office.declare(send)
    page = text(office.upload(send, b"Email,First name,Visit\n" + b"no address,Ann,1 May 2027\n" * 1030))
    assert "Row 21</strong>" in page
    assert "Row 22</strong>" not in page
    assert "And 1,010 more" in page


def test_another_file_destroys_the_keys_of_the_last(office: HipaaOffice) -> None:
    send = office.ready()
    old = Message.objects.order_by("pk").first()
    assert old is not None
    assert office.upload(send, sheet(2)).status_code == 302
    assert Message.objects.count() == 2
    assert ShredCertificate.objects.get().reason == "withdrawn"
    with pytest.raises(vault.Shredded):
        vault.unseal(bytes(old.placeholders_sealed or b""))
    assert codes(send) == {"recipients.unconfirmed"}


def test_a_file_of_ones_own_is_sealed_by_a_neutral_name(office: HipaaOffice) -> None:
    """S7, S26: names of files stand in headers."""
    send = office.draft()
    office.declare(send)
    data = b"Email,First name,Visit,File\nann@example.org,Ann,1 May 2027,ann-oncology.pdf\nben@example.org,Ben,2 May 2027,\n"
    packed = upload(archive({"letters/ann-oncology.pdf": PDF}), name="files.zip")
    answer = office.upload(send, data, archive=packed, file_column="file")
    assert answer.status_code == 302, text(answer)
    kept = MessageFile.objects.get()
    assert PDF not in bytes(kept.data_sealed)
    submission = Submission.objects.get()
    opened = open_all(submission, Message.objects.order_by("pk"))
    assert [[entry.name for entry in one.files] for one in opened if one] == [["document.pdf"], []]


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"other.pdf": PDF}, "is not in the ZIP"),
        ({"a.pdf": PDF, "b.pdf": PDF}, "named in no row"),
        ({"a.pdf": b"MZ\x00\xff" * 50}, "cannot be sent"),
    ],
)
def test_files_that_do_not_fit_the_rows_refuse_everything(
    office: HipaaOffice, files: dict[str, bytes], words: str
) -> None:
    send = office.draft()
    office.declare(send)
    data = b"Email,First name,Visit,File\nann@example.org,Ann,1 May 2027,a.pdf\n"
    page = office.upload(send, data, archive=upload(archive(files), name="f.zip"), file_column="file")
    assert words in text(page)
    assert not MessageFile.objects.exists()


def test_who_lacks_an_authorization_is_told_as_a_count(office: HipaaOffice) -> None:
    """S34, B19."""
    send = office.ready(legal_basis="authorization", paid="yes")
    assert "hipaa.marketing-authorization" in codes(send)
    key = tokens.address_key(parse("pat1name@example.org"), account=office.clinic.account.public_id)
    signed = Signed(key, "F-1", timezone.now().date(), is_paid=True)
    clinic = office.clinic
    authorizations.record(clinic.account.pk, [signed], owner=clinic.owner, by=clinic.author, now=timezone.now())
    assert codes(send) == set()
    assert "2 recipients lack a valid authorization and will be skipped" in text(office.author.get(url(send)))


def test_authorizations_are_recorded_from_a_file_and_end_by_an_address(office: HipaaOffice) -> None:
    """B20, B21: of the address only its blind index is kept."""
    add, revoke = reverse("admin:compliance_authorization_add"), reverse("admin:compliance_authorization_revoke")
    wrong = b"Email,Reference,Signed on,Expires on,Paid\nann@example.org,F-1,soon,,no\n"
    assert "1 row has a problem" in text(office.author.post(add, {"file": upload(wrong)}))
    right = b"Email,Reference,Signed on,Expires on,Paid,Purpose\nann@example.org,F-1,2026-01-02,,yes,\nben@example.org,F-2,2026-01-02,2099-01-01,no,Other\n"
    assert office.author.post(add, {"file": upload(right)}).status_code == 302
    listed = text(office.author.get(reverse("admin:compliance_authorization_changelist")))
    assert "F-1" in listed
    assert dict(Authorization.objects.values_list("reference", "purpose")) == {"F-1": "marketing", "F-2": "other"}
    assert "example.org" not in listed
    assert office.author.post(revoke, {"address": "Ann@example.org"}).status_code == 302
    assert list(Authorization.objects.filter(revoked_at=None).values_list("reference", flat=True)) == ["F-2"]
    assert office.sign_in(Role.VIEWER).post(add, {"file": upload(right)}).status_code == 403


# --- Who ----------------------------------------------------------------------------------------------------------


def test_somebody_of_another_account_finds_nothing(office: HipaaOffice) -> None:
    send = office.ready()
    stranger = office.sign_in(user=make_user(make_account(baa_status=BaaStatus.ACTIVE)))
    views = ("change", "edit", "values", "recipients", "submit", "messages", "preview", "evidence", "progress")
    assert [stranger.get(url(send, view)).status_code for view in views] == [404] * len(views)
    assert [stranger.post(url(send, view)).status_code for view in ("confirm", "answer", "cancel", "remove")] == [
        404
    ] * 4
    assert [Client().get(url(send, view)).status_code for view in ("change", "messages", "evidence")] == [302] * 3


@pytest.mark.parametrize("role", [Role.APPROVER, Role.OPERATOR, Role.AUDITOR, Role.VIEWER])
def test_other_roles_look_and_change_nothing(office: HipaaOffice, role: Role) -> None:
    send = office.ready()
    client = office.sign_in(role)
    page = text(client.get(url(send)))
    assert "Upload others" not in page
    assert "An author or a compliance officer of the account can submit it." in page
    for view in ("edit", "values", "recipients", "submit", "withdraw", "cancel", "remove"):
        assert client.get(url(send, view)).status_code == 403, view
    assert client.post(url(send, "confirm")).status_code == 403
    assert client.get(reverse("admin:campaigns_hipaasend_add")).status_code == 403


def test_a_superuser_without_a_role_opens_nothing_and_submits_nothing(office: HipaaOffice) -> None:
    """B1: no right to protected data by default."""
    send = office.ready()
    root = office.sign_in(user=make_user(is_superuser=True))
    assert "●" not in text(root.get(url(send)))
    assert root.get(url(send, "messages")).status_code == 403
    assert root.post(url(send, "submit"), statements()).status_code == 403


def test_an_account_without_agreement_has_no_such_screen(office: HipaaOffice) -> None:
    ordinary = office.sign_in(user=make_user(make_account()))
    assert "HIPAA sends" not in text(ordinary.get(reverse("admin:index")))
    assert ordinary.get(reverse("admin:campaigns_hipaasend_add")).status_code == 403


def test_pages_of_ordinary_campaigns_do_not_act_on_one(office: HipaaOffice) -> None:
    send = office.ready()
    for view in ("page", "send", "edit"):
        answer = office.author.get(reverse(f"admin:campaigns_campaign_{view}", args=[send.public_id]))
        assert answer.status_code in {403, 404}, view
    assert str(send) == f"HIPAA send {str(send.public_id)[:8]}"
    assert Campaign.objects.get(pk=send.pk).state == "draft"


def test_what_may_be_used_is_shown_to_people_and_programs_alike(office: HipaaOffice) -> None:
    """D7."""
    page = text(office.sign_in(Role.VIEWER).get(reverse("eligibility")))
    listed = json.loads(Client().get(reverse("eligibility-list")).content)["capabilities"]
    assert len(listed) > 40
    assert all(one["label"] in page.replace("&#x27;", "'") for one in listed)
    excluded = next(one for one in listed if one["key"] == "api.callback-data")
    assert (excluded["eligible"], excluded["fields"], excluded["code"]) == (
        False,
        ["callbackData"],
        "hipaa.callback-data",
    )
    assert Client().post(reverse("eligibility-list")).status_code == 405
