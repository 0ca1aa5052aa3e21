"""The pages of one HIPAA send: writing, recipients, submitting, stopping; what became of it is in send_outcomes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern
from django.utils import timezone

from campaigns.admin.pages import refuse
from campaigns.audiences.sheets import SheetRefused
from campaigns.errors import CampaignError
from campaigns.models import Account, CampaignState, HipaaSend
from campaigns.planning.hipaa import checking, drafting, recipients, scan, starting, submitting, trial
from compliance import marketing
from compliance.admin import send_preview
from compliance.admin.acting import network_of, person_of
from compliance.admin.send_forms import DraftForm, StatementForm, TrialForm, UploadForm, ValueForm, value_forms
from compliance.admin.send_outcomes import READING_ROLES, describe_progress, find_first
from compliance.admin.send_steps import CANCEL, RELEASE, REMOVE, RESUME, WITHDRAW, Step, ask_to_release
from compliance.admin.step_up import ask_for_factor
from compliance.admin.words import BASES, ENDED, OVERRIDES, state_of
from compliance.approvals import ending, quorum
from compliance.approvals.quorum import NotAllowed, Person
from compliance.models import Approval

if TYPE_CHECKING:
    from compliance.admin.sends import HipaaSendAdmin

_FOLDER = "admin/hipaa"
_Act = Callable[[HipaaSend, Person], object]


class SendPages:
    """Views of the HIPAA sends' admin; every one gets its send through the admin's own scoped queryset."""

    def __init__(self, admin: HipaaSendAdmin) -> None:
        self.admin = admin

    def urls(self) -> list[URLPattern]:
        page = self.admin.page
        return [
            page("<uuid:public_id>/edit/", self.edit, name="edit"),
            page("<uuid:public_id>/values/", self.declare, name="values"),
            page("<uuid:public_id>/recipients/", self.upload, name="recipients"),
            page("<uuid:public_id>/confirm/", self.confirm_samples, name="confirm"),
            page("<uuid:public_id>/answer/", self.answer, name="answer"),
            page("<uuid:public_id>/test/", self.send_trial, name="test"),
            page("<uuid:public_id>/submit/", self.submit, name="submit"),
            page("<uuid:public_id>/preview/", self.preview, name="preview"),
            page("<uuid:public_id>/release/", self.release, name="release"),
            *(
                page(f"<uuid:public_id>/{step.name}/", self._view_of(step), name=step.name)
                for step in (REMOVE, WITHDRAW, RESUME, CANCEL)
            ),
        ]

    # --- Writing ---------------------------------------------------------------------------------

    def add(self, request: HttpRequest, account: Account) -> HttpResponse:
        """Make a draft."""
        by = person_of(request, account)
        drafting.check_may_write(by)
        form = DraftForm(request.POST or None, account=account)
        if request.method == "POST" and form.is_valid():
            try:
                send = drafting.create_send(account, form.draft(), by=by, now=timezone.now())
            except CampaignError as error:
                refuse(form, error)
            else:
                return self._to(send, "values")
        return self.admin.show(request, f"{_FOLDER}/edit.html", title=self.admin.add_label, form=form, account=account)

    def edit(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        """Change a draft."""
        send, by = self.admin.find_send(request, public_id)
        drafting.check_may_write(by)
        form = DraftForm(request.POST or None, account=send.account, send=send)
        if request.method == "POST" and form.is_valid():
            try:
                drafting.change_send(send, form.draft(), by=by, now=timezone.now())
            except CampaignError as error:
                refuse(form, error)
            else:
                messages.success(request, "Saved.")
                return self._to(send)
        return self._show(request, send, "edit.html", title="Content and purpose", form=form)

    def declare(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        """Say of each value what it is."""
        send, by = self.admin.find_send(request, public_id)
        drafting.check_may_write(by)
        forms = value_forms(send, request.POST if request.method == "POST" else None)
        if request.method == "POST" and _are_valid(forms):
            drafting.declare_values(send, [form.declared() for form in forms], by=by, now=timezone.now())
            messages.success(request, "Saved.")
            return self._to(send)
        return self._show(request, send, "values.html", title="What each value is", forms=forms)

    def upload(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        """Take a file of recipients; nothing of it is kept unless all of it is right."""
        send, by = self.admin.find_send(request, public_id)
        drafting.check_may_write(by)
        form = UploadForm(request.POST or None, request.FILES or None)
        problems: tuple[object, ...] = ()
        unshown = 0
        if request.method == "POST" and form.is_valid():
            try:
                recipients.upload_recipients(send, form.upload(), by=by, now=timezone.now())
            except CampaignError as error:
                refuse(form, error)
                if isinstance(error, SheetRefused):
                    problems, unshown = error.problems, error.count - len(error.problems)
                if error.code == "recipients.shifted":
                    form.show_shift()
            else:
                return self._to(send)
        return self._show(
            request, send, "recipients.html", title="Recipients", form=form, problems=problems, unshown=unshown
        )

    def confirm_samples(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        """Names and addresses of the masked rows belong together."""
        return self._do(
            request, public_id, lambda send, by: recipients.confirm_samples(send, by=by, now=timezone.now())
        )

    def answer(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        """Say why something the check found is no protected information."""

        def act(send: HipaaSend, by: Person) -> None:
            wanted = request.POST.get("digest", "")
            found = [hit for hit in scan.scan_send(send, now=timezone.now()).hits if hit.digest == wanted]
            if not found:
                raise Http404
            scan.answer_hit(send, found[0], reason=request.POST.get("reason", ""), by=by, now=timezone.now())

        return self._do(request, public_id, act)

    def send_trial(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        """A mail with made-up values, to somebody of the staff."""
        send, by = self.admin.find_send(request, public_id)
        drafting.check_may_write(by)
        people = trial.list_testers(send.account)

        def act(given: dict[str, Any]) -> str:
            trial.send_trial(send, to=given["person"], row=given["row"], by=by, now=timezone.now())
            messages.success(request, "The test is on its way, with made-up values.")
            return self.admin.url_of(send)

        return self.admin.show_form(
            request, TrialForm(request.POST or None, people=people), act, title="Send a test", obj=send, send=send,
            template=f"{_FOLDER}/test.html", people=people, button="Send the test",
            intro="One mail leaves at once, by the way the real ones will take. It holds made-up values, never a recipient's.",
        )  # fmt: skip

    # --- Submitting ------------------------------------------------------------------------------

    def submit(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        """State what the author states, and hand it to somebody else."""
        send, by = self.admin.find_send(request, public_id)
        drafting.check_may_write(by)
        form = StatementForm(request.POST or None, fixed={"basis": send.terms.legal_basis})
        if request.method == "POST" and form.is_valid():
            try:
                submitting.submit_send(
                    send, attested=form.attested(), by=by, network=network_of(request), now=timezone.now()
                )
            except NotAllowed as error:
                return ask_for_factor(request, error)
            except CampaignError as error:
                refuse(form, error)
            else:
                messages.success(request, "Submitted. Somebody who had no hand in it reviews it now.")
                return self._to(send)
        judgement = marketing.judge(send.terms.answers)
        return self._show(request, send, "submit.html", title="Submit for approval", form=form, judgement=judgement)

    def _view_of(self, step: Step) -> Callable[[HttpRequest, UUID], HttpResponse]:
        def view(request: HttpRequest, public_id: UUID) -> HttpResponse:
            send, by = self.admin.find_send(request, public_id)
            drafting.check_may_write(by)
            if request.method == "POST":
                return self._do(request, public_id, _ACTS[step.name], done=step.done)
            count = send.terms.recipients.get("count", 0)
            return self._show(
                request, send, "confirm.html", title=step.title, step=step, text=step.text.format(count=count)
            )

        return view

    def release(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        """Ask whether the first messages arrived as they should, and let the others leave."""
        send, by = self.admin.find_send(request, public_id)
        if not by.roles & quorum.RELEASING_ROLES:
            raise PermissionDenied
        if request.method == "POST":
            return self._do(request, public_id, _release, done=RELEASE.done)
        standing = find_first(send)
        if standing is None:
            return self._to(send)
        step = ask_to_release(standing)
        return self._show(request, send, "confirm.html", title=step.title, step=step, text=step.text)

    # --- Looking ---------------------------------------------------------------------------------

    def show(self, request: HttpRequest, send: HipaaSend) -> HttpResponse:
        """Where the send stands and what can be done next."""
        by, now = person_of(request, send.account), timezone.now()
        approvals = list(Approval.objects.filter(campaign=send.pk).select_related("submitted_by").order_by("-revision"))
        live = drafting.find_live(send)
        is_draft = send.state == CampaignState.DRAFT and live is None
        context: dict[str, Any] = {
            "approvals": [
                (approval, *state_of(approval.state), ENDED.get(approval.ended_because, "")) for approval in approvals
            ],
            "live": live,
            "is_draft": is_draft,
            "may_write": drafting.may_write(by),
            "may_stop": by.is_superuser or bool(by.roles & quorum.STOPPING_ROLES),
            "may_export": bool(by.roles & READING_ROLES),
            "basis": BASES.get(send.terms.legal_basis, ""),
            "judgement": marketing.judge(send.terms.answers),
            "overrides": OVERRIDES,
        }
        if send.state != CampaignState.DRAFT:
            context |= describe_progress(self.admin, send, by)
        elif is_draft:
            found = scan.scan_send(send, now=now)
            context |= {
                "findings": checking.check_send(send, scan=found, now=now),
                "hits": found.hits,
                "samples": recipients.open_samples(send) if drafting.may_write(by) else [],
                "suppressed": checking.count_suppressed(send),
                "unauthorized": checking.count_unauthorized(send, now=now),
            }
        return self._show(request, send, "send.html", title=send.name, **context)

    def preview(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        """The mail with made-up values, for a sandboxed frame."""
        send, _ = self.admin.find_send(request, public_id)
        return send_preview.answer(request, send, send.content)

    # --- Pieces ----------------------------------------------------------------------------------

    def _do(self, request: HttpRequest, public_id: UUID, act: _Act, *, done: str = "Saved.") -> HttpResponse:
        """A button: the room does it or says why not, and the send's page shows what became of it."""
        send, by = self.admin.find_send(request, public_id)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        try:
            act(send, by)
        except NotAllowed as error:
            return ask_for_factor(request, error)
        except CampaignError as error:
            messages.error(request, f"{error.safe_text} {error.action}".strip())
        else:
            messages.success(request, done)
        return self._to(send)

    def _show(
        self, request: HttpRequest, send: HipaaSend, template: str, *, title: str, **context: Any
    ) -> HttpResponse:
        return self.admin.show(request, f"{_FOLDER}/{template}", title=title, obj=send, send=send, **context)

    def _to(self, send: HipaaSend, view: str = "change") -> HttpResponseRedirect:
        return HttpResponseRedirect(self.admin.url_of(send, view=view))


def _withdraw(send: HipaaSend, by: Person) -> None:
    live = drafting.find_live(send)
    if live is not None:
        ending.withdraw(live, by=by, now=timezone.now())


def _release(send: HipaaSend, by: Person) -> None:
    starting.send_rest(send, by=by, now=timezone.now())


def _are_valid(forms: list[ValueForm]) -> bool:
    """Whether all are, asking each: a page shows every mistake at once."""
    return not [form for form in forms if not form.is_valid()]


_ACTS: dict[str, _Act] = {
    REMOVE.name: lambda send, by: recipients.remove_recipients(send, by=by, now=timezone.now()),
    WITHDRAW.name: _withdraw,
    CANCEL.name: lambda send, by: starting.cancel_send(send, by=by, now=timezone.now()),
    RESUME.name: lambda send, by: starting.resume_send(send, by=by, now=timezone.now()),
}
