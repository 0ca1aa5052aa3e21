"""Agreements: of accounts with their state and what is missing, and of whoever runs the hosts we send to."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, reverse
from django.utils import timezone

from campaigns.models import Account, BaaStatus
from compliance.admin.acting import network_of
from compliance.admin.agreement_facts import TONES, find_step, list_missing, list_steps
from compliance.admin.agreement_forms import (
    AgreementForm,
    ConfirmForm,
    EndForm,
    NewTermsForm,
    NoDataForm,
    PolicyForm,
    ReplyMailboxForm,
    StatusForm,
    SubcontractorForm,
    TermsForm,
)
from compliance.admin.oversight import OversightScreen
from compliance.admin.overview import list_lines
from compliance.agreements import recording, replies, status, terms
from compliance.approvals import quorum
from compliance.approvals.policy import set_policy
from compliance.audit import Ref
from compliance.models import Acknowledgement, ApprovalPolicy, Baa, ReplyMailbox

_FOLDER = "admin/compliance/baa"


@admin.register(Baa)
class BaaAdmin(OversightScreen):
    """Everything about an account's way into HIPAA sending and out of it."""

    list_lead: ClassVar[str] = "With whom there is a Business Associate Agreement, and what it opens."

    def get_urls(self) -> list[URLPattern]:
        account = "<uuid:public_id>/"
        return [
            self.page(f"account/{account}", self.account_page, name="account"),
            self.page(f"account/{account}record/", self.record, name="record"),
            self.page(f"account/{account}to/<slug:to>/", self.change_status, name="status"),
            self.page(f"account/{account}terms/", self.accept_terms, name="terms"),
            self.page(f"account/{account}policy/", self.change_policy, name="policy"),
            self.page(f"account/{account}replies/", self.attest_mailbox, name="replies"),
            self.page("replies/<uuid:public_id>/withdraw/", self.withdraw_mailbox, name="withdraw_replies"),
            self.page("host/", self.record_host, name="host"),
            self.page("host/without-data/", self.record_without_data, name="no_data"),
            self.page("terms/", self.publish_terms, name="new_terms"),
            self.page("<uuid:public_id>/end/", self.end, name="end"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:  # noqa: ARG002
        """Accounts with their state, and hosts."""
        if not self.has_view_permission(request):
            raise Http404
        today = timezone.now().date()
        accounts = [
            {
                "account": account,
                "tone": TONES[BaaStatus(account.baa_status)],
                "agreement": recording.find_customer(account.pk, on=today),
                "url": self._account_url(account),
            }
            for account in self.overseen(request).order_by("name")
        ]
        hosts = Baa.objects.filter(side=Baa.Side.SUBCONTRACTOR).order_by("host", "-effective_from")
        return self.show(
            request, f"{_FOLDER}/list.html", title="Agreements", accounts=accounts, today=today,
            hosts=[(host, self._url("end", host.public_id)) for host in hosts],
            is_superuser=request.user.is_superuser, host_url=self.url_of(view="host"),
            no_data_url=self.url_of(view="no_data"), terms_url=self.url_of(view="new_terms"),
            version=terms.current_terms(now=timezone.now()),
        )  # fmt: skip

    def account_page(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        """Where the account stands: the checklist, its agreements, and the steps that are open."""
        account, now = self.find_account(request, public_id), timezone.now()
        steps = list_missing(account, now=now)
        ways = {
            "baa": self._url("record", account.public_id), "terms": self._url("terms", account.public_id),
            "policy": self._url("policy", account.public_id), "replies": self._url("replies", account.public_id),
        }  # fmt: skip
        mailboxes = ReplyMailbox.objects.filter(account=account, withdrawn_at=None).select_related("attested_by")
        rows = Baa.objects.filter(account=account).order_by("-effective_from")
        return self.show(
            request, f"{_FOLDER}/account.html", title=account.name, account=account,
            tone=TONES[BaaStatus(account.baa_status)], is_officer=self.is_officer(request, account),
            steps=[(step, ways.get(step.code, "")) for step in steps], missing=sum(not step.is_done for step in steps),
            agreements=[(row, self._url("end", row.public_id)) for row in rows], today=now.date(),
            mailboxes=[(row, self._url("withdraw_replies", row.public_id)) for row in mailboxes],
            changes=[(step, self._url("status", account.public_id, step.to)) for step in list_steps(account)],
            accepted=Acknowledgement.objects.filter(account=account).select_related("terms", "person").order_by("-at").first(),
            policy=ApprovalPolicy.objects.filter(account=account).first(), ways=ways,
            lines=list_lines(account, now=now) if account.baa_status != BaaStatus.NONE else (),
        )  # fmt: skip

    def record(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        """A signed agreement with the account."""
        account = self._officers(request, public_id)
        form = AgreementForm(request.POST or None, request.FILES or None)

        def do(_: dict[str, Any], by: quorum.Person) -> str:
            owner = str(account.public_id)
            recording.record_customer(account.pk, form.agreement(), owner=owner, by=by, now=timezone.now())
            messages.success(request, "The agreement is recorded.")
            return self._account_url(account)

        return self._act(request, form, do, account, title="Record an agreement", button="Record")

    def change_status(self, request: HttpRequest, public_id: UUID, to: str) -> HttpResponse:
        """Ask once, say what will happen, then take the step."""
        account = self._officers(request, public_id)
        step = find_step(account, to)
        if step is None:
            raise Http404
        form = StatusForm(request.POST or None)

        def do(given: dict[str, Any], by: quorum.Person) -> str:
            status.change_status(account.pk, to=to, reason=given["reason"], by=by, now=timezone.now())
            messages.success(request, f"{account.name} is now: {BaaStatus(to).label.lower()}.")
            return self._account_url(account)

        return self._act(
            request, form, do, account, title=step.label, button=step.label, template=f"{_FOLDER}/status.html", step=step,
            button_class="btn-danger" if step.is_grave else "btn-primary",
        )  # fmt: skip

    def accept_terms(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        """Read the terms and accept them for the account."""
        account, now = self._officers(request, public_id), timezone.now()
        newest = terms.current_terms(now=now)
        form = TermsForm(request.POST or None, initial={"version": newest.version})

        def do(given: dict[str, Any], by: quorum.Person) -> str:
            terms.accept_terms(
                account.pk,
                owner=str(account.public_id),
                version=given["version"],
                by=by,
                network=network_of(request),
                now=now,
            )
            messages.success(request, "The terms are accepted. This holds for a year, or until they change.")
            return self._account_url(account)

        return self._act(
            request, form, do, account, title="Terms of HIPAA sending", button="Accept", template=f"{_FOLDER}/terms.html",
            terms=newest,
        )  # fmt: skip

    def change_policy(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        """How many approve, and for how long it holds."""
        account = self._officers(request, public_id)
        known = (
            ApprovalPolicy.objects.filter(account=account).values("approvals", "valid_days", "allows_importers").first()
        )
        form = PolicyForm(request.POST or None, initial={"approvals": 1, "valid_days": 7, **(known or {})})

        def do(given: dict[str, Any], by: quorum.Person) -> str:
            quorum.check_factor(by)
            set_policy(
                account.pk, owner=str(account.public_id), actor=Ref("person", str(by.id)), now=timezone.now(), **given
            )
            messages.success(request, "The policy is set. What was approved under another one must be approved again.")
            return self._account_url(account)

        return self._act(
            request, form, do, account, title="Approval policy", button="Set the policy",
            intro="Every HIPAA send of this account is approved by other people than those who made it.",
        )  # fmt: skip

    def attest_mailbox(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        """State of a mailbox that answers to protected mail may go to it."""
        account = self._officers(request, public_id)
        form = ReplyMailboxForm(request.POST or None)

        def do(given: dict[str, Any], by: quorum.Person) -> str:
            owner, network = str(account.public_id), network_of(request)
            replies.attest(
                account.pk, owner=owner, address=given["address"], by=by, network=network, now=timezone.now()
            )
            messages.success(request, "Answers may go there now.")
            return self._account_url(account)

        return self._act(
            request, form, do, account, title="A mailbox for answers", button="Attest",
            intro="People answer, and their answers quote the mail. Sealpost takes no answers in: they go to a mailbox of your own.",
        )  # fmt: skip

    def withdraw_mailbox(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        """It is not so any more."""
        row = ReplyMailbox.objects.select_related("account").filter(public_id=public_id, withdrawn_at=None).first()
        if row is None:
            raise Http404
        account = self._officers(request, row.account.public_id)

        def do(_: dict[str, Any], by: quorum.Person) -> str:
            replies.withdraw(row, owner=str(account.public_id), by=by, now=timezone.now())
            messages.success(request, "Answers may not go there any more.")
            return self._account_url(account)

        return self._act(
            request, ConfirmForm(request.POST or None), do, account, title=f"Withdraw {row.address}?", button="Withdraw",
            button_class="btn-danger",
            intro="HIPAA mail that would be answered there is held at once, and programs that send such mail are refused. It can be"
            " attested again later.",
        )  # fmt: skip

    def end(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        """The last day of an agreement."""
        row = Baa.objects.select_related("account").filter(public_id=public_id).first()
        if row is None or not (request.user.is_superuser or row.account):
            raise Http404
        account = self._officers(request, row.account.public_id) if row.account else self._any_account(request)
        now = timezone.now()
        form = EndForm(request.POST or None, today=now.date())

        def do(given: dict[str, Any], by: quorum.Person) -> str:
            owner = str(row.account.public_id) if row.account else ""
            recording.end_agreement(row, on=given["on"], owner=owner, by=by, now=now)
            messages.success(request, "The last day of the agreement is set.")
            return self._account_url(account) if row.account else self.url_of(view="changelist")

        return self._act(
            request, form, do, account if row.account else None, title=f"End the agreement with {row.counterparty}",
            button="Set the last day", button_class="btn-danger",
            intro="After that day no protected mail of this account leaves, unless another agreement is in effect then."
            if row.account else "After that day nothing protected is sent to this host any more.",
        )  # fmt: skip

    # --- For the whole installation ------------------------------------------------------------------------------

    def record_host(self, request: HttpRequest) -> HttpResponse:
        """An agreement with whoever runs a host we send to (45 CFR 164.308(b), 164.314(a))."""
        self._superusers(request)
        form = SubcontractorForm(request.POST or None, request.FILES or None)

        def do(given: dict[str, Any], by: quorum.Person) -> str:
            recording.record_subcontractor(
                given["host"], form.agreement(), onward=given["onward"], by=by, now=timezone.now()
            )
            messages.success(request, "The agreement is recorded.")
            return self.url_of(view="changelist")

        return self._act(request, form, do, None, title="Agreement for a host we send to", button="Record")

    def record_without_data(self, request: HttpRequest) -> HttpResponse:
        """A host that never gets protected data, and why."""
        self._superusers(request)
        form = NoDataForm(request.POST or None)

        def do(given: dict[str, Any], by: quorum.Person) -> str:
            recording.record_without_data(
                given["host"], counterparty=given["counterparty"], because=given["because"], by=by, now=timezone.now()
            )
            messages.success(request, "Recorded.")
            return self.url_of(view="changelist")

        return self._act(request, form, do, None, title="A host without protected data", button="Record")

    def publish_terms(self, request: HttpRequest) -> HttpResponse:
        """The next version of the terms; until an account accepts it, its mail is held."""
        self._superusers(request)
        newest = terms.current_terms(now=timezone.now())
        form = NewTermsForm(request.POST or None, initial={"text": newest.text})

        def do(given: dict[str, Any], by: quorum.Person) -> str:
            made = terms.publish_terms(given["text"], by=by, now=timezone.now())
            messages.success(request, f"Version {made.version} is out.")
            return self.url_of(view="changelist")

        return self._act(
            request, form, do, None, title="New terms", button="Publish", button_class="btn-danger",
            intro="HIPAA mail of every account is held at once, until its compliance officer accepts the new version.",
        )  # fmt: skip

    def _act(
        self, request: HttpRequest, form: Any, do: Any, account: Account | None, *, title: str, **context: Any
    ) -> HttpResponse:
        place = {"object_url": self._account_url(account), "original": account, "here": account.name} if account else {}
        return self.act(
            request, form, do, account=account or self._any_account(request), title=title, **place, **context
        )

    def _officers(self, request: HttpRequest, public_id: UUID) -> Account:
        account = self.find_account(request, public_id)
        if not self.is_officer(request, account):
            raise Http404
        return account

    def _superusers(self, request: HttpRequest) -> None:
        if not request.user.is_superuser:
            raise Http404

    def _any_account(self, request: HttpRequest) -> Account:
        # Who acts for the whole installation acts by being a superuser, whatever the account.
        found = self.overseen(request).first()
        if found is None:
            raise Http404
        return found

    def _account_url(self, account: Account) -> str:
        return self._url("account", account.public_id)

    def _url(self, view: str, *args: Any) -> str:
        return reverse(f"admin:compliance_baa_{view}", args=args)
