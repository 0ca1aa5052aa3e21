"""The pages of one campaign: where it stands, what stops it, its confirmations and its progress."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from campaigns.admin import campaign_progress, campaign_steps
from campaigns.admin.campaign_archive import describe_archive
from campaigns.admin.campaign_forms import CampaignForm, ScheduleForm, TestSendForm, newer_version
from campaigns.admin.campaign_pace import describe_pace, say_estimate
from campaigns.admin.campaign_places import place_findings
from campaigns.admin.campaign_preview import answer_preview, sample_subject
from campaigns.admin.campaign_tracking import describe_tracking
from campaigns.admin.campaign_words import PURPOSES, TONES
from campaigns.admin.local_time import WallTime, read_wall_time
from campaigns.admin.rights import Right, may
from campaigns.errors import CampaignError
from campaigns.models import Account, Campaign, CampaignState, Purpose, Submission
from campaigns.outbox import rates
from campaigns.planning import compose, preflight, sending, testsend
from campaigns.planning.pace import estimate
from campaigns.reading import archive

if TYPE_CHECKING:
    from campaigns.admin.campaigns import CampaignAdmin

_FOLDER = "admin/campaigns/campaign"


class CampaignPages:
    """Views of the campaign admin; every one gets its campaign through the admin's own scoped queryset."""

    def __init__(self, admin: CampaignAdmin) -> None:
        self.admin = admin

    def urls(self) -> list[URLPattern]:
        guard = self.admin.admin_site.admin_view
        return [
            path("<uuid:public_id>/", guard(self.show_page), name="campaigns_campaign_page"),
            path("<uuid:public_id>/edit/", guard(self.edit), name="campaigns_campaign_edit"),
            path("<uuid:public_id>/progress/", guard(self.show_progress), name="campaigns_campaign_progress"),
            path("<uuid:public_id>/preview/", guard(self.show_preview), name="campaigns_campaign_preview"),
            path("<uuid:public_id>/test/", guard(self.send_test), name="campaigns_campaign_test"),
            path("<uuid:public_id>/archive/", guard(self.set_archive), name="campaigns_campaign_archive"),
            path("<uuid:public_id>/schedule/", guard(self.schedule), name="campaigns_campaign_schedule"),
            *(
                path(
                    f"<uuid:public_id>/{name}/", guard(self.confirm), {"name": name}, name=f"campaigns_campaign_{name}"
                )
                for name in campaign_steps.STEPS
            ),
        ]

    def show_page(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        """Where the campaign stands and what can be done next."""
        campaign = self.admin.find_campaign(request, public_id)
        return self._show(request, campaign, test_form=TestSendForm(initial={"to": getattr(request.user, "email", "")}))

    def _show(self, request: HttpRequest, campaign: Campaign, *, test_form: TestSendForm) -> HttpResponse:
        context = self._context(request, campaign, title=campaign.name, test_form=test_form)
        if campaign.state in {CampaignState.DRAFT, CampaignState.SCHEDULED}:
            check = preflight.check_campaign(campaign)
            context |= {"preflight": check, "findings": place_findings(campaign, check.findings)}
        else:
            context |= self._running(request, campaign, now=timezone.now())
        context |= {
            "newer": newer_version(campaign.content),
            "archive": describe_archive(campaign),
            "send_at": self._wall_time(campaign, campaign.send_at),
            "finished_at": self._wall_time(campaign, self._finished_at(campaign)),
        }
        return render(request, f"{_FOLDER}/page.html", context)

    def _running(self, request: HttpRequest, campaign: Campaign, *, now: datetime) -> dict[str, Any]:
        progress = campaign_progress.measure_progress(campaign, now=now)
        submission = campaign.submissions.select_related("account", "sender__domain").first()
        return {
            "progress": progress,
            "undecided": campaign_steps.count_undecided(campaign) if progress.report.held else 0,
            "warning": rates.warn_of_complaints(submission, now=now) if submission else "",
            "may_read_answers": may(request, Right.READ_INBOUND, account_id=campaign.account_id),
        }

    def show_progress(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        """The progress card alone, for the page that keeps asking."""
        campaign = self.admin.find_campaign(request, public_id)
        now = timezone.now()
        earlier = campaign_progress.read_sample(request.GET.get("settled", ""), request.GET.get("at", ""), now=now)
        progress = campaign_progress.measure_progress(campaign, now=now, earlier=earlier)
        return render(request, f"{_FOLDER}/_progress.html", {"progress": progress, "campaign": campaign})

    def show_preview(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        """The mail with its sample values, for a sandboxed frame."""
        campaign = self.admin.find_campaign(request, public_id)
        if campaign.content is None:
            raise Http404
        return answer_preview(campaign, content=campaign.content)

    def edit(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        """Change a draft."""
        campaign = self.admin.find_campaign(request, public_id)
        self.admin.require_compose(request, campaign)
        if campaign.state != CampaignState.DRAFT:
            messages.warning(request, "Only a draft can be changed.")
            return self._back(campaign)
        form = CampaignForm(request.POST or None, account=campaign.account, campaign=campaign)
        if request.method == "POST" and form.is_valid():
            try:
                compose.change_campaign(campaign, **form.parts())
            except CampaignError as error:
                return self._explain(request, campaign, error)
            self.admin.log_change(request, campaign, "Changed.")
            messages.success(request, "Saved.")
            return self._back(campaign)
        return self._compose(request, campaign.account, form=form, campaign=campaign)

    def add(self, request: HttpRequest, account: Account) -> HttpResponse:
        """Make a draft."""
        self.admin.require_compose(request, account)
        form = CampaignForm(request.POST or None, account=account)
        if request.method == "POST" and form.is_valid():
            campaign = compose.create_campaign(account, **form.parts(), by=request.user)
            self.admin.log_addition(request, campaign, "Created.")
            return self._back(campaign)
        return self._compose(request, account, form=form)

    def send_test(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        """One mail with sample values to one address."""
        campaign = self.admin.find_campaign(request, public_id)
        self.admin.require_compose(request, campaign)
        form = TestSendForm(request.POST or None)
        if request.method != "POST" or not form.is_valid():
            return self._show(request, campaign, test_form=form)
        if campaign.content is None or campaign.sender is None:
            messages.error(request, "Choose a template and a sender first.")
            return self._back(campaign)
        try:
            testsend.send_test(
                campaign.account,
                content=campaign.content,
                sender=campaign.sender,
                to=form.cleaned_data["to"],
                by=request.user,
            )
        except CampaignError as error:
            return self._explain(request, campaign, error)
        messages.success(request, "The test is on its way.")
        return self._back(campaign)

    def set_archive(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        """Put the campaign into the public archive, or take it out."""
        campaign = self.admin.find_campaign(request, public_id)
        self.admin.require_compose(request, campaign)
        if request.method != "POST":
            return self._back(campaign)
        shown = bool(request.POST.get("shown"))
        try:
            archive.set_in_archive(campaign, shown=shown)
        except CampaignError as error:
            return self._explain(request, campaign, error)
        said = "It is in the public archive." if shown else "It is no longer in the public archive."
        self.admin.log_change(request, campaign, said)
        messages.success(request, said)
        return self._back(campaign)

    def confirm(self, request: HttpRequest, public_id: UUID, name: str) -> HttpResponse:
        """Ask, then do: send, pause, resume or cancel."""
        campaign = self.admin.find_campaign(request, public_id)
        self.admin.require_send(request, campaign)
        return self._take(request, campaign, campaign_steps.STEPS[name])

    def schedule(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        """Ask for a time, show what it means, then schedule."""
        campaign = self.admin.find_campaign(request, public_id)
        self.admin.require_send(request, campaign)
        form = ScheduleForm(request.POST or None)
        if request.method != "POST" or "again" in request.POST or not form.is_valid():
            return self._ask_time(request, campaign, form=form)
        when = read_wall_time(form.cleaned_data["at"], zone=campaign.account.time_zone)
        if when.at <= timezone.now():
            form.add_error("at", "This time has passed. Choose a later one.")
            return self._ask_time(request, campaign, form=form)
        return self._take(request, campaign, campaign_steps.SCHEDULE, when=when, written=request.POST["at"])

    def _ask_time(self, request: HttpRequest, campaign: Campaign, *, form: ScheduleForm) -> HttpResponse:
        context = self._context(request, campaign, title="When should it go out?", form=form)
        context["now"] = self._wall_time(campaign, timezone.now())
        return render(request, f"{_FOLDER}/schedule.html", context)

    def _take(
        self,
        request: HttpRequest,
        campaign: Campaign,
        step: campaign_steps.Step,
        *,
        when: WallTime | None = None,
        written: str = "",
    ) -> HttpResponse:
        """The page that asks, until what it showed is what is still true; then the step, once."""
        if campaign.state not in step.states:
            messages.info(request, f"Nothing to do: this campaign is {CampaignState(campaign.state).label.lower()}.")
            return self._back(campaign)
        stake = campaign_steps.weigh_step(step, campaign=campaign)
        shown = request.POST.get("seen")
        if request.method == "POST" and shown == stake.seen:
            return self._do(request, campaign, step, stake=stake, when=when)
        check = preflight.check_campaign(campaign) if step.starts else None
        if check and not check.ready:
            messages.error(request, "This campaign cannot be sent yet. See what stops it.")
            return self._back(campaign)
        context = self._context(
            request,
            campaign,
            title=step.title,
            step=step,
            stake=stake,
            when=when,
            written=written,
            is_stale=shown is not None,
        )
        context |= {
            "text": step.text.format(people=stake.people),
            "button": step.button.format(people=stake.people),
            "audience": check.audience if check else None,
            "notes": check.notes if check else (),
            "estimate": self._estimate(campaign, people=stake.count) if step.starts else "",
        }
        return render(request, f"{_FOLDER}/confirm.html", context, status=409 if shown is not None else 200)

    def _estimate(self, campaign: Campaign, *, people: int) -> str:
        guess = estimate(campaign, transport=preflight.campaign_transport(campaign), people=people)
        return say_estimate(guess) if guess else ""

    def _do(
        self,
        request: HttpRequest,
        campaign: Campaign,
        step: campaign_steps.Step,
        *,
        stake: campaign_steps.Stake,
        when: WallTime | None,
    ) -> HttpResponse:
        try:
            step.run(campaign, by=request.user, **({"at": when.at} if when else {}))
        except CampaignError as error:
            return self._explain(request, campaign, error)
        said = step.done.format(people=stake.people)
        self.admin.log_change(request, campaign, said)
        messages.success(request, said)
        return self._back(campaign)

    def _compose(
        self, request: HttpRequest, account: Account, *, form: CampaignForm, campaign: Campaign | None = None
    ) -> HttpResponse:
        context = {
            **self.admin.admin_site.each_context(request),
            "title": f"Change {campaign.name}" if campaign else "New campaign",
            "opts": self.admin.opts,
            "account": account,
            "campaign": campaign,
            "form": form,
        }
        return render(request, f"{_FOLDER}/compose.html", context)

    def _context(self, request: HttpRequest, campaign: Campaign, **extra: Any) -> dict[str, Any]:
        return {
            **self.admin.admin_site.each_context(request),
            "opts": self.admin.opts,
            "campaign": campaign,
            "account": campaign.account,
            "sandbox_url": reverse("admin:campaigns_sandboxmail_changelist"),
            "purpose": dict(PURPOSES)[Purpose(campaign.purpose)].partition(":")[0],
            "subject": sample_subject(campaign),
            "transport": preflight.campaign_transport(campaign),
            "pace": [*describe_pace(campaign), *describe_tracking(campaign)],
            "tone": TONES[CampaignState(campaign.state)],
            "may_compose": self.admin.may_compose(request, campaign),
            "may_send": self.admin.may_send(request, campaign),
            **extra,
        }

    def _explain(self, request: HttpRequest, campaign: Campaign, error: CampaignError) -> HttpResponse:
        """The one translator of refusals: a sentence and what to do, never a code."""
        if not isinstance(error, sending.SendRefused):
            messages.error(request, f"{error.safe_text} {error.action}".strip())
        else:
            messages.error(request, "This campaign cannot be sent yet. See what stops it.")
        return self._back(campaign)

    def _back(self, campaign: Campaign) -> HttpResponseRedirect:
        return HttpResponseRedirect(reverse("admin:campaigns_campaign_page", args=[campaign.public_id]))

    def _wall_time(self, campaign: Campaign, at: datetime | None) -> WallTime | None:
        return WallTime(at, campaign.account.time_zone) if at else None

    def _finished_at(self, campaign: Campaign) -> datetime | None:
        submission = Submission.objects.filter(campaign=campaign).order_by("-pk").first()
        return submission.finished_at if submission else None
