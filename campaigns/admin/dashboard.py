"""The home page: the latest campaigns, the lists and their sizes, the last imports, and what to do next."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.contrib.admin import AdminSite
from django.db.models import Count, Model, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse

from campaigns.admin.rights import Right, accounts_of, may
from campaigns.models import (
    Campaign,
    CampaignKind,
    CampaignState,
    ContactList,
    Domain,
    EmailTemplate,
    EndpointState,
    ImportJob,
    ImportState,
    Subscription,
    SubscriptionState,
    WebhookEndpoint,
)

_SHOWN = 6
CAMPAIGN_TONES: dict[str, str] = {
    CampaignState.DRAFT: "is-muted",
    CampaignState.SCHEDULED: "is-info",
    CampaignState.SENDING: "is-info",
    CampaignState.PAUSED: "is-warn",
    CampaignState.SENT: "is-ok",
    CampaignState.CANCELLED: "is-muted",
}
IMPORT_TONES: dict[str, str] = {
    ImportState.WAITING: "is-warn",
    ImportState.QUEUED: "is-info",
    ImportState.RUNNING: "is-info",
    ImportState.DONE: "is-ok",
    ImportState.FAILED: "is-bad",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do before the first campaign can leave."""

    title: str
    text: str
    url: str
    label: str
    done: bool


@dataclass(frozen=True, slots=True)
class ListSize:
    name: str
    url: str
    subscribed: int


@dataclass(frozen=True, slots=True)
class RecentCampaign:
    name: str
    url: str
    state: str
    tone: str
    made: datetime


@dataclass(frozen=True, slots=True)
class RecentImport:
    filename: str
    list_name: str
    url: str
    state: str
    tone: str


@dataclass(frozen=True, slots=True)
class TroubledDomain:
    """A domain whose records went wrong after it was verified; `lost` when mail from it has stopped."""

    name: str
    url: str
    lost: bool


@dataclass(frozen=True, slots=True)
class StoppedWebhook:
    """A webhook that was stopped because its receiver does not answer, and why."""

    name: str
    url: str
    because: str


@dataclass(frozen=True, slots=True)
class Dashboard:
    """`new_campaign` is empty for people who may not write one."""

    new_campaign: str
    troubled: tuple[TroubledDomain, ...]
    steps: tuple[Step, ...]
    campaigns: tuple[RecentCampaign, ...]
    lists: tuple[ListSize, ...]
    imports: tuple[RecentImport, ...]
    webhooks: tuple[StoppedWebhook, ...] = ()

    @property
    def is_new(self) -> bool:
        """Until a first campaign has left the drafts."""
        return bool(self.steps) and not self.steps[-1].done


def build_dashboard(request: HttpRequest, *, site: AdminSite) -> Dashboard:
    """What this person's accounts look like now; eight small queries whatever their size."""
    accounts = accounts_of(request.user)
    steps = tuple(
        _step(model, rows, title=title, text=text, label=label)
        for model, rows, title, text, label in (
            (
                Domain,
                Domain.objects.filter(account__in=accounts, verified_at__isnull=False),
                "Prove your domain",
                "Publish a few DNS records, so that mailboxes know the mail is yours. The sandbox works without.",
                "Add a domain",
            ),
            (
                EmailTemplate,
                EmailTemplate.objects.filter(account__in=accounts),
                "Write a template",
                "The words and the look of your mail, with names and other details filled in for each person.",
                "Write a template",
            ),
            (
                ContactList,
                Subscription.objects.filter(list__account__in=accounts, state=SubscriptionState.SUBSCRIBED),
                "Bring your people",
                "Make a list and import a file of people who agreed to hear from you.",
                "Make a list",
            ),
            (
                Campaign,
                Campaign.objects.filter(account__in=accounts, kind=CampaignKind.BROADCAST).exclude(
                    state=CampaignState.DRAFT
                ),
                "Send a campaign",
                "Choose the template and the lists. Nothing leaves before you have seen the checks and confirmed.",
                "Plan a campaign",
            ),
        )
        if site.is_registered(model)
    )
    return Dashboard(
        new_campaign=reverse("admin:campaigns_campaign_add") if may(request, Right.COMPOSE) else "",
        troubled=_troubled(Domain.objects.filter(account__in=accounts)),
        steps=steps if may(request, Right.COMPOSE) or may(request, Right.MANAGE_DOMAINS) else (),
        campaigns=_campaigns(Campaign.objects.filter(account__in=accounts, kind=CampaignKind.BROADCAST)),
        lists=_lists(ContactList.objects.filter(account__in=accounts)),
        imports=_imports(ImportJob.objects.filter(account__in=accounts)),
        webhooks=_stopped_webhooks(WebhookEndpoint.objects.filter(account__in=accounts)),
    )


def _step(model: type[Model], rows: QuerySet[Model], *, title: str, text: str, label: str) -> Step:
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    done = rows.exists()
    return Step(title, text, reverse(f"{name}_changelist") if done else reverse(f"{name}_add"), label, done)


def _troubled(rows: QuerySet[Domain]) -> tuple[TroubledDomain, ...]:
    wrong = rows.filter(Q(verified_at=None, lost_at__isnull=False) | Q(failed_looks__gt=0)).order_by("name")[:_SHOWN]
    return tuple(
        TroubledDomain(row.name, reverse("admin:campaigns_domain_change", args=(row.public_id,)), not row.is_verified)
        for row in wrong
    )


def _campaigns(rows: QuerySet[Campaign]) -> tuple[RecentCampaign, ...]:
    return tuple(
        RecentCampaign(
            row.name,
            reverse("admin:campaigns_campaign_page", args=(row.public_id,)),
            row.get_state_display(),
            CAMPAIGN_TONES[row.state],
            row.created_at,
        )
        for row in rows.order_by("-created_at")[:_SHOWN]
    )


def _stopped_webhooks(rows: QuerySet[WebhookEndpoint]) -> tuple[StoppedWebhook, ...]:
    return tuple(
        StoppedWebhook(
            row.name, reverse("admin:campaigns_webhookendpoint_change", args=(row.public_id,)), row.state_because
        )
        for row in rows.filter(state=EndpointState.FAILED)[:_SHOWN]
    )


def _imports(rows: QuerySet[ImportJob]) -> tuple[RecentImport, ...]:
    return tuple(
        RecentImport(
            row.filename,
            row.list.name,
            reverse("admin:campaigns_importjob_change", args=(row.public_id,)),
            row.get_state_display(),
            IMPORT_TONES[row.state],
        )
        for row in rows.select_related("list").order_by("-created_at")[:_SHOWN]
    )


def _lists(rows: QuerySet[ContactList]) -> tuple[ListSize, ...]:
    sized = rows.annotate(
        subscribed=Count("subscriptions", filter=Q(subscriptions__state=SubscriptionState.SUBSCRIBED))
    ).order_by("-created_at")[:_SHOWN]
    return tuple(
        ListSize(row.name, reverse("admin:campaigns_contactlist_change", args=(row.public_id,)), row.subscribed)
        for row in sized
    )
