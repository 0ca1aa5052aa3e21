"""The public archive: campaigns that were chosen for it, as nobody in particular reads them, newest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import QuerySet
from django.urls import reverse

from campaigns.content.compile import Preview, compile_version
from campaigns.content.mime import MailFrame
from campaigns.errors import CampaignError, NotFound
from campaigns.models import Account, BaaStatus, Campaign, CampaignKind, CampaignState, ContactList
from campaigns.reading.document import make_document

PER_PAGE = 20


@dataclass(frozen=True, slots=True)
class Archive:
    """An account's archive, or the part of it that went to one list."""

    account: Account
    list: ContactList | None = None

    @property
    def title(self) -> str:
        return f"{self.account.name}: {self.list.name}" if self.list else self.account.name

    @property
    def path(self) -> str:
        return _path("web:archive", self.account, self.list)

    @property
    def feed_path(self) -> str:
        return _path("web:archive-feed", self.account, self.list)


@dataclass(frozen=True, slots=True)
class Issue:
    """One campaign in the archive; `summary` is its preheader."""

    public_id: UUID
    subject: str
    summary: str
    sent_at: datetime
    path: str

    @property
    def url(self) -> str:
        return f"{settings.PUBLIC_URL}{self.path}"


@dataclass(frozen=True, slots=True)
class IssuePage:
    """Some issues, and whether newer and older ones are there; `number` counts from 1."""

    issues: Sequence[Issue]
    number: int
    has_older: bool


def open_archive(slug: str, *, list_slug: str = "") -> Archive:
    """The archive of an account, or of one of its public lists; raises NotFound where there is none.

    An account under an agreement has none, whatever its switch says (164.502(a)).
    """
    account = Account.objects.filter(slug=slug, has_public_archive=True, baa_status=BaaStatus.NONE).first()
    if account is None:
        raise NotFound("page")
    if not list_slug:
        return Archive(account)
    found = ContactList.objects.filter(account=account, slug=list_slug, is_public=True).first()
    if found is None:
        raise NotFound("page")
    return Archive(account, found)


def list_issues(archive: Archive, *, page: int = 1, count: int = PER_PAGE) -> IssuePage:
    """One page of an archive; what cannot be shown without a reader is left out."""
    first = (max(page, 1) - 1) * count
    rows = list(_campaigns(archive)[first : first + count + 1])
    issues = [issue for row in rows[:count] if (issue := _issue_of(archive.account, row)) is not None]
    return IssuePage(issues, max(page, 1), has_older=len(rows) > count)


def list_lists(archive: Archive) -> Sequence[tuple[str, str]]:
    """(name, path) of the public lists whose campaigns are in an account's archive."""
    lists = ContactList.objects.filter(account=archive.account, is_public=True, campaigns__in=_campaigns(archive))
    return [(row.name, Archive(archive.account, row).path) for row in lists.distinct().order_by("name")]


def open_issue(archive: Archive, public_id: UUID) -> tuple[Issue, str]:
    """An issue and its mail as a document; raises NotFound."""
    campaign = _campaigns(archive).filter(public_id=public_id).first()
    if campaign is None:
        raise NotFound("page")
    try:
        mail = read_publicly(campaign)
    except CampaignError:
        raise NotFound("page") from None
    issue = _make_issue(archive.account, campaign, mail)
    return issue, make_document(mail.subject, html=mail.html, text=mail.text)


def read_publicly(campaign: Campaign) -> Preview:
    """The mail without a reader; raises RenderError when it cannot be made like that, and TemplateError."""
    assert campaign.content is not None
    account = campaign.account
    frame = MailFrame("", "", account_name=account.name, postal_address=account.postal_address)
    return compile_version(campaign.content).read_publicly(
        frame,
        page_url=f"{settings.PUBLIC_URL}{issue_path(campaign)}",
        archive_url=f"{settings.PUBLIC_URL}{Archive(account).path}",
    )


def issue_path(campaign: Campaign) -> str:
    """Where a campaign is in the archive, once it is there."""
    return reverse("web:issue", args=[campaign.account.slug, campaign.public_id])


def set_in_archive(campaign: Campaign, *, shown: bool) -> None:
    """Put a campaign into the public archive, or take it out; raises CampaignError when it cannot be shown there."""
    if shown:
        _refuse_private(campaign.account)
        if campaign.content is not None:
            read_publicly(campaign)
    Campaign.objects.filter(pk=campaign.pk).update(in_archive=shown)
    campaign.in_archive = shown


def _refuse_private(account: Account) -> None:
    if account.baa_status != BaaStatus.NONE:
        raise CampaignError(
            "hipaa.link-access",
            "An account under an agreement that protects health information has no public archive.",
            action="Sign in and use the screens.",
            status=403,
        )
    if not account.has_public_archive:
        raise CampaignError(
            "archive.off",
            "This account has no public archive.",
            action="Switch it on in the account's settings, under Pages for readers.",
        )


def _campaigns(archive: Archive) -> QuerySet[Campaign]:
    rows = Campaign.objects.filter(
        account=archive.account,
        in_archive=True,
        state=CampaignState.SENT,
        kind=CampaignKind.BROADCAST,
        content__isnull=False,
    )
    if archive.list is not None:
        rows = rows.filter(lists=archive.list)
    return rows.select_related("account", "content__template").order_by("-send_at", "-pk")


def _issue_of(account: Account, campaign: Campaign) -> Issue | None:
    try:
        return _make_issue(account, campaign, read_publicly(campaign))
    except CampaignError:
        return None


def _make_issue(account: Account, campaign: Campaign, mail: Preview) -> Issue:
    sent_at = (campaign.send_at or campaign.created_at).astimezone(ZoneInfo(account.time_zone))
    return Issue(campaign.public_id, mail.subject, mail.preheader, sent_at, issue_path(campaign))


def _path(name: str, account: Account, found: ContactList | None) -> str:
    return (
        reverse(name, args=[account.slug])
        if found is None
        else reverse(f"{name}-list", args=[account.slug, found.slug])
    )
