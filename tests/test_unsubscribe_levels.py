"""What somebody leaves, and by which way: levels of a domain, mail that writes back, words of the page."""

from __future__ import annotations

import email
import html
import re
import zlib
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from campaigns.inbound.record import Result, record_bounce
from campaigns.models import (
    BaaStatus,
    Domain,
    Message,
    SandboxMail,
    Sender,
    Submission,
    Suppression,
    SuppressionScope,
    UnsubscribeLevel,
)
from tests.api import Program, text_of
from tests.factories import make_account, make_domain, make_sender, make_user
from tests.people import sign_in
from tests.tracked import TrackedSend

pytestmark = pytest.mark.django_db

HTML = '<p>News. 1 Main St, Vilnius</p><a href="{$unsubscribe}">Leave</a>'


class Shop(Program):
    """A program that sends marketing mail to no list, from two addresses of one domain and one of another."""

    def __init__(self, level: str) -> None:
        super().__init__(purpose="marketing")
        Domain.objects.filter(pk=self.domain.pk).update(unsubscribe_level=level)
        self.other = make_domain(self.account)

    def mail(self, sender: str, **content: Any) -> str:
        """Send one to Ann; the path of its unsubscribe link, '' when it was refused."""
        self.send("ann@example.com", sender=sender, content={"subject": "News", "html": HTML, **content})
        before = SandboxMail.objects.count()
        mails = self.work()
        if len(mails) == before:
            return ""
        found = re.search(r'href="[^"]*(/u/[^"]*)"', text_of(mails[-1], "html"))
        assert found
        return html.unescape(found[1])


@pytest.mark.parametrize(
    ("level", "reached"),
    [
        (UnsubscribeLevel.SENDER, ("", "sale", "other")), (UnsubscribeLevel.DOMAIN, ("", "", "other")),
        (UnsubscribeLevel.ACCOUNT, ("", "", "")),
    ],
)  # fmt: skip
def test_who_leaves_mail_to_no_list_leaves_at_the_level_of_its_domain(level: str, reached: tuple[str, ...]) -> None:
    """infobip.md §1.5: FROM_SENDER, FROM_DOMAIN; one-click and page alike."""
    shop = Shop(level)
    senders = (f"News@{shop.domain.name}", f"sale@{shop.domain.name}", f"other@{shop.other.name}")
    path = shop.mail(senders[0])
    assert Client().post(path, "List-Unsubscribe=One-Click", content_type="text/plain").status_code == 200
    assert [bool(shop.mail(sender)) for sender in senders] == [bool(name) for name in reached]
    refused = Message.objects.filter(state="refused").values_list("error_code", flat=True)
    assert set(refused) == {"recipient.unsubscribed"}
    told = shop.get(f"/email/1/domains/{shop.domain.name}").json()["blocklistConfigurationLevel"]
    assert told == ("FROM_SENDER" if level == UnsubscribeLevel.SENDER else "FROM_DOMAIN")


def test_the_page_names_what_is_left_and_offers_everything() -> None:
    shop = Shop(UnsubscribeLevel.SENDER)
    sender = f"news@{shop.domain.name}"
    path = shop.mail(sender)
    assert f"<bdi>{sender}</bdi>" in Client().get(path).content.decode()
    assert "You are unsubscribed" in Client().post(path, "confirm=1", content_type="text/plain").content.decode()
    assert Suppression.objects.get().scope == SuppressionScope.SENDER
    page = Client().get(path).content.decode()
    assert "You are already unsubscribed" in page
    Client().post(path, "confirm=1&all_marketing=1", content_type="text/plain")
    assert "You get no marketing mail from us" in Client().get(path).content.decode()
    office = Client()
    sign_in(office, make_user(shop.account, role="operator"))
    assert f"No marketing from {sender}" in office.get("/admin/campaigns/suppression/").content.decode()


def test_transactional_mail_passes_what_was_left_of_a_sender_un_12() -> None:
    shop = Shop(UnsubscribeLevel.SENDER)
    sender = f"news@{shop.domain.name}"
    Client().post(shop.mail(sender), "List-Unsubscribe=One-Click", content_type="text/plain")
    receipts = Program(shop.account)
    receipts.send("ann@example.com", sender=sender)
    receipts.work()
    assert Message.objects.latest("pk").state == "sent"


def test_the_page_has_the_accounts_words_with_a_requests_values() -> None:
    """infobip.md §5: landingPagePlaceholders; a value is text, whatever it looks like."""
    shop = Shop(UnsubscribeLevel.ACCOUNT)
    shop.account.unsubscribe_text = "You bought {{ product }} from us {{ nothing }}in {{year}}."
    shop.account.save()
    path = shop.mail(shop.sender, landingPagePlaceholders='{"product": "<b>tea</b>", "year": 2026}')
    page = Client().get(path).content.decode()
    assert "You bought &lt;b&gt;tea&lt;/b&gt; from us in 2026." in page
    assert b"tea" not in str(Submission.objects.values("options").get()).encode()
    type(shop.account).objects.filter(pk=shop.account.pk).update(baa_status=BaaStatus.ACTIVE)
    assert "tea" not in Client().get(path).content.decode()


def test_too_many_words_for_the_page_are_refused() -> None:
    """infobip.md §3: error 6026, more than 256 characters."""
    shop = Shop(UnsubscribeLevel.ACCOUNT)
    content = {"subject": "x", "text": "y", "landingPagePlaceholders": '{"a": "%s"}' % ("b" * 250)}
    answer = shop.post("/email/4/messages", {"messages": [shop.message(content=content)]})
    assert answer.status_code == 400
    assert answer.json()["violations"][0]["property"] == "messages[0].content.landingPagePlaceholders"


def send_campaign(**sender: Any) -> tuple[TrackedSend, bytes]:
    """A campaign of a domain with a return path, and the mail of its reader."""
    account = make_account()
    domain = make_domain(account, return_path="bounces@bounce.example.com")
    sent = TrackedSend(account, sender=make_sender(account, domain=domain, **sender))
    return sent, zlib.decompress(SandboxMail.objects.get(account=account).raw)


def test_a_sender_can_be_left_by_mail_and_the_mail_that_does_is_read() -> None:
    """UN-01, UN-03: one https URI, one mailto, the fold between them; UN-10: the token's person, whoever writes."""
    sent, raw = send_campaign(unsubscribes_by_mail=True)
    value = str(email.message_from_bytes(raw)["List-Unsubscribe"])
    found = re.fullmatch(
        r"<http[^>]+>,\r?\n <mailto:(unsubscribe\+[^?>]+@bounce\.example\.com)\?subject=unsubscribe>", value
    )
    assert found
    mail = f"From: forwarder@elsewhere.example\r\nTo: {found[1]}\r\nSubject: Fwd: ???\r\n\r\n\r\n".encode()
    taken = record_bounce(mail, envelope_to=found[1], now=timezone.now(), account=sent.account)
    assert taken.result == Result.RECORDED
    left = Suppression.objects.get(account=sent.account)
    assert (left.address_key, left.list) == (sent.message().address_key, sent.list)
    notice = mail.replace(b"\r\n\r\n", b"\r\nAuto-Submitted: auto-replied\r\n\r\n", 1)
    assert record_bounce(notice, envelope_to=found[1], now=timezone.now()).result == Result.NOTHING


def test_a_programs_marketing_mail_can_be_left_by_mail_as_a_campaigns() -> None:
    """UN-03, UN-10; transactional mail that shows the link has the page alone."""
    shop = Shop(UnsubscribeLevel.SENDER)
    Domain.objects.filter(pk=shop.domain.pk).update(return_path="bounces@bounce.example.com")
    make_sender(shop.account, domain=shop.domain, email=f"shop@{shop.domain.name}", unsubscribes_by_mail=True)
    path = shop.mail(shop.sender)
    value = str(shop.mails()[-1]["List-Unsubscribe"])
    found = re.fullmatch(
        rf"<http[^>]+{path}>,\s<mailto:(unsubscribe\+[^?>]+@bounce\.example\.com)\?subject=unsubscribe>", value
    )
    assert found
    mail = f"From: forwarder@elsewhere.example\r\nTo: {found[1]}\r\n\r\n\r\n".encode()
    assert record_bounce(mail, envelope_to=found[1], now=timezone.now()).result == Result.RECORDED
    assert Suppression.objects.get().scope == SuppressionScope.SENDER
    receipts = Program(shop.account)
    receipts.send("bob@example.com", sender=shop.sender, content={"subject": "Paid", "html": HTML})
    assert "mailto:" not in str(receipts.work()[-1]["List-Unsubscribe"])


def test_without_the_switch_or_a_return_path_there_is_no_mailto() -> None:
    _, raw = send_campaign()
    assert b"mailto:" not in raw.partition(b"\r\n\r\n")[0]
    sent, _ = send_campaign(unsubscribes_by_mail=True)
    Domain.objects.filter(account=sent.account).update(return_path="")
    SandboxMail.objects.all().delete()
    sent.campaign.sender = Sender.objects.select_related("domain").get(account=sent.account)
    sent.send_again()
    assert b"mailto:" not in zlib.decompress(SandboxMail.objects.get(account=sent.account).raw)
