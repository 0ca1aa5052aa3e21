"""An account with people, a draft campaign and somebody signed in: what the campaign screens are tested with."""

import re
from datetime import timedelta
from typing import Any

from django.test import Client
from django.urls import reverse
from django.utils import timezone

from campaigns.models import (
    Account,
    Campaign,
    CampaignState,
    Door,
    Message,
    MessageState,
    Role,
    Submission,
    SubmissionState,
)
from tests.factories import (
    make_account,
    make_campaign,
    make_contact,
    make_list,
    make_user,
)

VIEWS = (
    "page", "edit", "progress", "preview", "test", "schedule", "send", "pause", "resume", "cancel", "repeat", "leave",
)  # fmt: skip


class Office:
    """An account with a list of three people, a draft to it, and somebody signed in."""

    def __init__(self, role: str = Role.OPERATOR) -> None:
        self.account: Account = make_account(name="Green Garden", time_zone="Europe/Vilnius")
        self.news = make_list(self.account, name="Weekly news")
        for _ in range(3):
            make_contact(self.account, lists=[self.news], first_name="Ada")
        self.campaign = make_campaign(self.account, name="Spring seeds", lists=[self.news])
        self.user = make_user(self.account, role=role)
        self.client = Client(enforce_csrf_checks=False)
        self.client.force_login(self.user)

    def url(self, view: str, campaign: Campaign | None = None) -> str:
        return reverse(f"admin:campaigns_campaign_{view}", args=[(campaign or self.campaign).public_id])

    def get(self, view: str) -> Any:
        return self.client.get(self.url(view))

    def text(self, view: str) -> str:
        return squeeze(self.get(view))

    def post(self, view: str, **data: Any) -> Any:
        return self.client.post(self.url(view), data, follow=True)

    def confirm(self, view: str, **data: Any) -> Any:
        """Open the page that asks, then press its button."""
        asked = self.client.post(self.url(view), data) if data else self.get(view)
        found = re.search(r'name="seen" value="([^"]*)"', asked.content.decode())
        assert found, asked.content.decode()[:2000]
        return self.post(view, seen=found[1], **data)

    def state(self) -> str:
        return Campaign.objects.get(pk=self.campaign.pk).state

    def form(self, **changes: Any) -> dict[str, Any]:
        content = self.campaign.content
        assert content is not None
        return {
            "name": "Summer",
            "template": content.template_id,
            "purpose": "marketing",
            "lists": [self.news.pk],
            "sender": self.campaign.sender_id,
        } | changes


def squeeze(response: Any) -> str:
    """The text of a page without tags, blanks joined."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


def make_run(office: Office, *, state: str = CampaignState.SENT, **counts: int) -> Submission:
    """A submission of the office's campaign whose messages stand in these states."""
    Campaign.objects.filter(pk=office.campaign.pk).update(state=state, send_at=timezone.now())
    done = state in {CampaignState.SENT, CampaignState.CANCELLED}
    submission = Submission.objects.create(
        account=office.account,
        campaign=office.campaign,
        door=Door.CAMPAIGN,
        purpose="marketing",
        transport=office.account.transports.get(),
        state=SubmissionState.DONE if done else SubmissionState.OPEN,
        options={"lists": [office.news.pk]},
        send_at=timezone.now() - timedelta(minutes=10),
        valid_until=timezone.now() + timedelta(days=1),
        planned=sum(counts.values()),
    )
    codes = {MessageState.REFUSED: "recipient.list-unsubscribed", MessageState.FAILED: "smtp.550-5.1.1"}
    for message_state, count in counts.items():
        Message.objects.bulk_create(
            Message(
                submission=submission,
                recipient="x@example.com",
                recipient_domain="example.com",
                address_key=f"{message_state}-{number}",
                state=message_state,
                next_attempt_at=timezone.now(),
                error_code=codes.get(MessageState(message_state), ""),
            )
            for number in range(count)
        )
    return submission
