"""Mails to one person about themselves: a link that shows that they read their own mail."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import IntEnum

from django.conf import settings
from django.utils.translation import gettext, override

from campaigns import addresses, tokens
from campaigns.errors import CampaignError
from campaigns.models import Account, Contact, Door, Message, Purpose, Sender, Submission
from campaigns.outbox.payload import Payload
from campaigns.outbox.requests import Addressee, Batch, EmailRequest, Group
from campaigns.outbox.together import accept_requests

VALID_FOR = timedelta(hours=24)
# A page anybody can open must not be a way to fill somebody's mailbox.
_AGAIN_AFTER = timedelta(minutes=10)


class Act(IntEnum):
    """What a confirmed person may do."""

    EXPORT = 1
    ERASE = 2

    @property
    def reference(self) -> str:
        """What the mail about it goes by in the ledger."""
        return f"my-data-{self.name.lower()}"


def send_confirmation(account: Account, *, address_key: str, submission_id: int, act: Act, now: datetime) -> bool:
    """Mail the person a link for the act, each at most every ten minutes; False when nobody knows their address any more.

    Raises CampaignError `notice.no-sender` when the account has nobody to write from.
    """
    address = _find_address(account, address_key)
    if address is None:
        return False
    if _sent_lately(account, address_key, act=act, now=now):
        return True
    sender = _find_sender(account, submission_id)
    expires_at = int((now + VALID_FOR).timestamp())
    token = tokens.personal_token(tokens.PersonalClaim(act, expires_at, account.pk, submission_id, address_key))
    with override(account.language):
        subject, text = _words(account, act, url=f"{settings.PUBLIC_URL}/me/{token}")
    payload = Payload(
        from_name=sender.name,
        from_mailbox=addresses.parse(sender.email).mailbox,
        subject=subject,
        text=text,
        # No vacation answer to it (RFC 3834; LH-05).
        headers=(("Auto-Submitted", "auto-generated"),),
    )
    request = EmailRequest(
        groups=(Group((Addressee(addresses.parse(address)),)),),
        payload=payload,
        sender_domain=sender.domain.name,
        valid_for=VALID_FOR,
        campaign_reference=act.reference,
    )
    accept_requests(Batch(account, Door.NOTICE, Purpose.TRANSACTIONAL, (request,), now), now=now)
    return True


def _words(account: Account, act: Act, *, url: str) -> tuple[str, str]:
    if act is Act.EXPORT:
        subject = gettext("Your data at %(name)s") % {"name": account.name}
        sentence = gettext(
            "Somebody, probably you, asked for a copy of the data we keep about you. Open this page to get it:"
        )
    else:
        subject = gettext("Delete your data at %(name)s") % {"name": account.name}
        sentence = gettext(
            "Somebody, probably you, asked us to delete the data we keep about you. Open this page to go on:"
        )
    end = gettext("The link works for one day. If it was not you, do nothing: nothing will happen.")
    # Braces in a name must stay braces.
    text = f"{sentence}\n\n{url}\n\n{end}\n\n{account.name}\n{account.postal_address}\n"
    return _literal(subject), _literal(text)


def _literal(text: str) -> str:
    return text.replace("{", "(").replace("}", ")")


def _find_address(account: Account, address_key: str) -> str | None:
    contact = Contact.objects.filter(account=account, address_key=address_key).values_list("email", flat=True).first()
    if contact is not None:
        return contact
    mails = Message.objects.filter(submission__account=account, address_key=address_key).exclude(recipient="")
    return mails.order_by("-pk").values_list("recipient", flat=True).first()


def _sent_lately(account: Account, address_key: str, *, act: Act, now: datetime) -> bool:
    """Whether a link for this very act is on its way: the other one's does something else."""
    return Message.objects.filter(
        submission__account=account,
        submission__door=Door.NOTICE,
        submission__campaign_reference=act.reference,
        submission__created_at__gt=now - _AGAIN_AFTER,
        address_key=address_key,
    ).exists()


def _find_sender(account: Account, submission_id: int) -> Sender:
    submission = Submission.objects.filter(pk=submission_id, account=account).select_related("sender__domain").first()
    if submission is not None and submission.sender is not None:
        return submission.sender
    sender = Sender.objects.filter(account=account).select_related("domain").order_by("pk").first()
    if sender is None:
        raise CampaignError(
            "notice.no-sender", "This organisation has no address to write from.", action="Add a sender.", status=503
        )
    return sender
