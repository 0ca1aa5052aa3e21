"""The emergency stop: ordered at once by anybody who works with protected mail, lifted by the compliance officer."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern
from django.utils import timezone
from django.utils.html import format_html

from campaigns.accounts.tenancy import access_account
from campaigns.admin.rights import accounts_of
from campaigns.admin.words import show_time
from campaigns.errors import NotFound
from campaigns.models import Account, BaaStatus, Lane, Message, MessageState
from campaigns.planning.hipaa import starting
from compliance.admin.acting import person_of
from compliance.admin.protected import ProtectedScreen
from compliance.admin.step_up import ask_for_factor
from compliance.admin.words import STOP_REASONS
from compliance.approvals import quorum, stopping
from compliance.approvals.quorum import NotAllowed, Person
from compliance.models import Stop

_FOLDER = "admin/hipaa"


class StopForm(forms.Form):
    """Why everything stops; seconds count, so nothing else is asked."""

    reason = forms.ChoiceField(choices=list(STOP_REASONS.items()), widget=forms.RadioSelect, initial="wrong-recipients")


@admin.register(Stop)
class StopAdmin(ProtectedScreen):
    """Stops of one's accounts, and those of the whole installation."""

    list_display = ("since", "what", "why", "who", "lifted")
    list_select_related = ("account", "ordered_by", "lifted_by")
    ordering = ("-ordered_at",)
    list_lead: ClassVar[str] = (
        "Within two seconds nothing protected leaves any more. What has left cannot be called back."
    )
    add_label: ClassVar[str] = "Stop everything"
    adding_roles: ClassVar[frozenset[str]] = quorum.STOPPING_ROLES

    def get_urls(self) -> list[URLPattern]:
        return [self.page("<int:pk>/lift/", self.lift, name="lift"), *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = Stop.objects.all()
        if request.user.is_superuser:
            return rows
        return rows.filter(Q(account__in=accounts_of(request.user)) | Q(account=None))

    # --- Columns ---------------------------------------------------------------------------------

    @admin.display(description="Since", ordering="ordered_at")
    def since(self, stop: Stop) -> str:
        return show_time(stop.ordered_at)

    @admin.display(description="What")
    def what(self, stop: Stop) -> str:
        return stop.account.name if stop.account else "All accounts"

    @admin.display(description="Why")
    def why(self, stop: Stop) -> str:
        return STOP_REASONS.get(stop.reason, stop.reason)

    @admin.display(description="Ordered by")
    def who(self, stop: Stop) -> str:
        return stop.ordered_by.get_full_name() or stop.ordered_by.get_username()

    @admin.display(description="Lifted")
    def lifted(self, stop: Stop) -> str:
        if stop.lifted_at is None:
            return format_html('<span><span class="badge is-bad">{}</span></span>', "Stopped")
        return show_time(stop.lifted_at)

    # --- Rights ----------------------------------------------------------------------------------

    def account_id_of(self, obj: Any) -> int:
        # A stop of all accounts belongs to each of them; whoever sees it works in one.
        return int(obj.account_id or 0)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # The rows are scoped already; one of all accounts concerns everybody who sends protected mail.
        return super().has_view_permission(request, None if obj is None or not obj.account_id else obj)

    def accounts_to_change(self, request: HttpRequest) -> QuerySet[Account]:
        """Those under an agreement in which the person may stop: all of them for a superuser."""
        if request.user.is_superuser:
            return accounts_of(request.user).exclude(baa_status=BaaStatus.NONE)
        return super().accounts_to_change(request)

    def name_of(self, obj: Any) -> str:
        return f"Stop of {show_time(obj.ordered_at)}"

    # --- Views -----------------------------------------------------------------------------------

    def add_page(self, request: HttpRequest) -> HttpResponse:
        """Say what stops and why; one press, no second factor."""
        accounts = list(self.accounts_to_change(request).order_by("name"))
        account = self._chosen(request, accounts)
        form = StopForm(request.POST or None)
        if request.method == "POST" and account is not None and form.is_valid():
            stopping.order_stop(
                account.pk, owner=str(account.public_id), by=person_of(request, account),
                reason=form.cleaned_data["reason"], now=timezone.now(),
            )  # fmt: skip
            messages.success(request, f"Stopped. {_count_waiting(account):,} messages wait and do not leave.")
            return HttpResponseRedirect(self.url_of(view="changelist"))
        waiting = _count_waiting(account) if account is not None else 0
        return self.show(
            request,
            f"{_FOLDER}/stop.html",
            title=self.add_label,
            form=form,
            account=account,
            accounts=accounts,
            waiting=waiting,
        )

    def row_page(self, request: HttpRequest, stop: Stop, /) -> HttpResponse:
        """One stop, and lifting it."""
        by = self._person(request, stop)
        may_lift = bool(by.roles & quorum.LIFTING_ROLES) and stop.lifted_at is None
        why = STOP_REASONS.get(stop.reason, stop.reason)
        return self.show(
            request, f"{_FOLDER}/lift.html", title="Emergency stop", obj=stop, stop=stop, why=why, may_lift=may_lift
        )

    def lift(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Let mail leave again."""
        stop: Stop = self.find_object(request, pk)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        owner = str(stop.account.public_id) if stop.account else ""
        try:
            is_mine = stopping.lift_stop(stop, owner=owner, by=self._person(request, stop), now=timezone.now())
        except NotAllowed as error:
            return ask_for_factor(request, error, back=self.url_of(stop))
        starting.go_on(stop.account_id, now=timezone.now())
        messages.success(
            request, "Lifted. What is approved leaves again." if is_mine else "Somebody else lifted it already."
        )
        return HttpResponseRedirect(self.url_of(view="changelist"))

    def _chosen(self, request: HttpRequest, accounts: list[Account]) -> Account | None:
        name = request.POST.get("account") or request.GET.get("account") or ""
        if not name:
            return accounts[0] if len(accounts) == 1 else None
        try:
            account = access_account(request.user, name)
        except NotFound:
            raise Http404 from None
        if account not in accounts:
            raise Http404
        return account

    def _person(self, request: HttpRequest, stop: Stop) -> Person:
        """Who asks, in the account of the stop; of a stop of all, in the first they are officer of."""
        if stop.account is not None:
            return person_of(request, stop.account)
        people = [person_of(request, account) for account in self.accounts_to_change(request)]
        found = next((one for one in people if one.roles & quorum.LIFTING_ROLES), None)
        if found is None and not people:
            raise Http404
        return found or people[0]


def _count_waiting(account: Account) -> int:
    waiting = [MessageState.QUEUED, MessageState.SENDING, MessageState.HELD]
    return Message.objects.filter(submission__account=account, submission__lane=Lane.HIPAA, state__in=waiting).count()
