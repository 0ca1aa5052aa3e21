"""Mails as content: the same mail as on the wire, and how large it is."""

from __future__ import annotations

from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

import pytest
from django.utils import timezone

from campaigns.delivery.merging import merge_content
from campaigns.errors import CampaignError
from campaigns.models import Account, Message, Purpose, Submission
from campaigns.outbox import claim, render
from campaigns.outbox.claim import Claimed
from campaigns.outbox.render_content import make_content
from campaigns.planning import fanout, sending
from tests.factories import make_account, make_campaign, make_contact, make_list

pytestmark = pytest.mark.django_db


@pytest.fixture
def account() -> Account:
    return make_account(name="Büro & Co")


def claimed(account: Account, *names: str, **fields: object) -> tuple[Submission, list[Claimed]]:
    """A planned submission of a campaign, and its messages in a worker's hands."""
    readers = make_list(account, name="Böhmische News")
    for number, name in enumerate(names):
        make_contact(account, f"r{number}@bücher.example", lists=[readers], first_name=name)
    planned = sending.send_now(make_campaign(account, lists=[readers], **fields))
    fanout.plan_submission(planned.pk)
    submission = Submission.objects.select_related("account", "content", "sender__domain").get(pk=planned.pk)
    messages = claim.claim_messages(submission.pk, worker="test", now=timezone.now())
    return submission, sorted(messages, key=lambda message: message.recipient)


def test_the_content_is_the_mail_on_the_wire(account: Account) -> None:
    submission, (message,) = claimed(account, "O'Brien & Söhne")
    letterhead = render.make_letterhead(submission)
    email, _ = make_content(letterhead, message)
    wire = message_from_bytes(render.render_message(letterhead, message=message, date=timezone.now()), policy=default)
    assert isinstance(wire, EmailMessage)
    content = merge_content(email)
    assert content.subject == wire["Subject"]
    for subtype, text in (("html", content.html), ("plain", content.text)):
        body = wire.get_body((subtype,))
        assert body is not None
        assert text == body.get_content().replace("\r\n", "\n")
    assert email.data == b""


def test_the_headers_are_those_of_the_wire_but_for_what_the_provider_writes(account: Account) -> None:
    """UN-01, LH-01, LH-04."""
    submission, (message,) = claimed(account, "Ada")
    letterhead = render.make_letterhead(submission)
    email, _ = make_content(letterhead, message)
    assert email.shared is not None
    wire = message_from_bytes(render.render_message(letterhead, message=message, date=timezone.now()))
    theirs = {"From", "To", "Date", "Message-ID", "MIME-Version", "Subject", "Content-Type", "Reply-To"}
    expected = {name: value.replace("\r\n ", " ").replace("\n ", " ") for name, value in wire.items()}
    assert dict((*email.shared.headers, *email.headers)) == {
        name: value for name, value in expected.items() if name not in theirs
    }
    assert {"List-Unsubscribe", "List-Unsubscribe-Post", "List-ID", "Precedence"} <= set(
        dict((*email.shared.headers, *email.headers))
    )


def test_mails_of_a_campaign_share_their_texts(account: Account) -> None:
    submission, messages = claimed(account, "Ada", "Ben")
    letterhead = render.make_letterhead(submission)
    first, second = (make_content(letterhead, message)[0] for message in messages)
    assert first.shared is second.shared
    assert first.rcpt_to == "r0@xn--bcher-kva.example"
    assert "Ada" in merge_content(first).html
    assert "Ada" not in merge_content(second).html


def test_transactional_mail_has_no_headers_of_its_own(account: Account) -> None:
    """LH-04: and it may share a request with others."""
    submission, (message,) = claimed(account, "Ada", purpose=Purpose.TRANSACTIONAL)
    email, _ = make_content(render.make_letterhead(submission), message)
    assert email.headers == ()
    assert email.shared is not None
    assert [name for name, _ in email.shared.headers] == ["Feedback-ID"]


@pytest.mark.parametrize("name", ["Ada", "Söhne" * 2000])
def test_the_size_is_that_of_the_finished_texts(account: Account, name: str) -> None:
    submission, (message,) = claimed(account, name)
    email, size = make_content(render.make_letterhead(submission), message)
    content = merge_content(email)
    texts = sum(len(text.encode()) for text in (content.subject, content.html, content.text))
    # Headers, and the placeholders' own letters.
    assert texts < size < texts + 1000


def test_an_address_the_wire_refuses_is_refused(account: Account) -> None:
    """IN-02."""
    submission, (message,) = claimed(account, "Ada")
    Message.objects.update(recipient="üser@example.org", recipient_domain="example.org")
    claim.release_claims(worker="test")
    (message,) = claim.claim_messages(submission.pk, worker="test", now=timezone.now())
    with pytest.raises(CampaignError) as caught:
        make_content(render.make_letterhead(submission), message)
    assert caught.value.code == "address.needs-smtputf8"
