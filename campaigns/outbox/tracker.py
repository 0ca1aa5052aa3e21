"""Opens and clicks of one submission's mails: what is changed in them, and which numbers their links have."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit
from uuid import UUID

from django.conf import settings

from campaigns import tokens
from campaigns.audiences.choices import read_choices
from campaigns.content.links import LinkKey
from campaigns.content.tracked import LinkPlan, Tracked
from campaigns.models import (
    BaaStatus,
    Campaign,
    ContactList,
    Domain,
    Door,
    Lane,
    PixelPosition,
    Submission,
    TrackedLink,
    TrackingLevel,
)
from campaigns.outbox import levels
from campaigns.outbox.link_book import LinkNumbers


@dataclass(frozen=True, slots=True)
class TrackingOptions:
    """What a send request says about tracking; `level` None leaves it to the account. `utm` are (name, plain value)."""

    level: int | None = None
    opens: bool = True
    clicks: bool = True
    pixel: str = PixelPosition.TOP
    utm: tuple[tuple[str, str], ...] = ()

    def as_option(self) -> dict[str, Any]:
        """As the submission keeps it."""
        # utm is a list: a database may put the names of an object into an order of its own.
        return {
            "level": self.level,
            "opens": self.opens,
            "clicks": self.clicks,
            "pixel": str(self.pixel),
            "utm": [list(pair) for pair in self.utm],
        }


def campaign_tracking(campaign: Campaign) -> TrackingOptions:
    """What a campaign says about tracking."""
    utm = ((name, getattr(campaign, name)) for name in ("utm_source", "utm_medium", "utm_campaign", "utm_content"))
    return TrackingOptions(
        level=campaign.tracking,
        opens=campaign.track_opens,
        clicks=campaign.track_clicks,
        pixel=campaign.pixel_position,
        utm=tuple((name, value) for name, value in utm if value),
    )


def submission_switches(submission: Submission) -> levels.Switches:
    """The switches of a submission as they are now: one that is lowered later holds for mail that has left, too."""
    return levels.gather_switches(
        submission.account,
        lane=submission.lane,
        purpose=submission.purpose,
        domain=submission.sender.domain if submission.sender else None,
        campaign=_option(submission, "level", None),
        lists=ContactList.objects.filter(pk__in=submission.options.get("lists", [])),
    )


def _option(submission: Submission, name: str, default: Any) -> Any:
    return submission.options.get("tracking", {}).get(name, default)


class Tracker:
    """How the mails of one submission are tracked; made by open_tracker alone."""

    def __init__(self, submission: Submission, switches: levels.Switches, plan: LinkPlan, untracked: LinkPlan) -> None:
        self._submission_id, self._account_id = submission.pk, submission.account_id
        self._switches, self._plan, self._untracked = switches, plan, untracked
        self._levels = {
            choice: levels.decide_level(switches.of_reader(choice)) for choice in (None, *TrackingLevel.values)
        }
        self._nameless = Tracked(plan, tokens.visit_token(tokens.VisitClaim(submission.pk)))
        self._plain = Tracked(untracked, "") if untracked.utm else None
        self._choices: Mapping[str, int] = {}

    def look_up(self, keys: Collection[str]) -> None:
        """Ask what these readers chose: once a batch, right before hand-over."""
        self._choices = read_choices(self._account_id, keys=keys) if max(self._levels.values()) else {}

    def track(self, public_id: UUID, *, address_key: str) -> Tracked | None:
        """How the mail of a reader who was looked up is tracked; None when not at all."""
        level = self._levels[self._choices.get(address_key)]
        if level == TrackingLevel.OFF:
            return self._plain
        if level == TrackingLevel.AGGREGATE:
            return self._nameless
        return Tracked(self._plan, tokens.visit_token(tokens.VisitClaim(self._submission_id, public_id)))


def is_allowed(submission: Submission) -> bool:
    """False under HIPAA, whatever any switch says."""
    return submission.lane == Lane.STANDARD and submission.account.baa_status == BaaStatus.NONE


def open_tracker(submission: Submission) -> Tracker | None:
    """The tracker of a submission's mails; None when they leave as they were written, and always under HIPAA."""
    # Before any switch is read: no setting and no mistake in one reaches that lane.
    if not is_allowed(submission):
        return None
    # A test is no reader, and shows the links as they are.
    if submission.door == Door.TEST:
        return None
    switches = submission_switches(submission)
    domain = submission.sender.domain if submission.sender else None
    clicks, opens = (_is_on(submission, domain, what) for what in ("clicks", "opens"))
    utm = _utm(submission)
    is_tracked = bool(levels.ceiling(switches)) and (clicks or opens)
    if not is_tracked and not utm:
        return None
    base = tracking_base(domain)
    plan = LinkPlan(
        base=base,
        number=LinkNumbers(submission.pk) if clicks else None,
        pixel=_option(submission, "pixel", PixelPosition.TOP) if opens else "",
        utm=utm,
        own=own_prefixes(base),
        decoy=settings.TRACKING_DECOY,
    )
    untracked = LinkPlan(base=base, number=None, utm=utm, own=plan.own)
    return Tracker(submission, switches, plan, untracked)


def view_plan(submission: Submission) -> LinkPlan:
    """The plan its mails were made by, for looking at them: links that were never in a mail have the number 0."""
    known = {LinkKey(row.url, row.place): row.number for row in TrackedLink.objects.filter(submission=submission)}
    base = tracking_base(submission.sender.domain if submission.sender else None)
    return LinkPlan(
        base=base,
        number=lambda links: [known.get(link, 0) for link in links],
        utm=_utm(submission),
        own=own_prefixes(base),
    )


def _utm(submission: Submission) -> tuple[tuple[str, str], ...]:
    return tuple((name, quote(value, safe="")) for name, value in _option(submission, "utm", []))


def _is_on(submission: Submission, domain: Domain | None, what: str) -> bool:
    of_domain = domain is None or bool(getattr(domain, f"track_{what}"))
    return of_domain and bool(_option(submission, what, True))


def tracking_base(domain: Domain | None) -> str:
    """Where hits of a domain's mail come to: its own host when it has one and is proved, else the installation's."""
    if domain is None or not domain.tracking_host or not domain.is_verified:
        return settings.TRACKING_URL
    return f"{urlsplit(settings.TRACKING_URL).scheme}://{domain.tracking_host}"


def own_prefixes(base: str) -> tuple[str, ...]:
    """What links to us start with: they are never tracked."""
    return tuple(sorted({f"{url}/" for url in (base, settings.TRACKING_URL, settings.PUBLIC_URL)}))
