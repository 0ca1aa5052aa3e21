"""How fast an account may send, and when its campaigns stop by themselves: fields and rows of its page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from campaigns.addresses import ascii_domain
from campaigns.admin.rights import Right, may
from campaigns.admin.scoping import AccountScopedForm, SealpostInline
from campaigns.errors import AddressError
from campaigns.models import Account, DomainLimit

if TYPE_CHECKING:
    _ModelForm = forms.ModelForm[DomainLimit]
else:
    _ModelForm = forms.ModelForm

LIMIT_FIELDS = (
    "max_per_second",
    "max_requests_per_second",
    "stop_at_bounce_percent",
    "stop_at_complaint_percent",
    "soft_bounces_to_stop",
    "soft_bounce_days",
)


class LimitsForm(AccountScopedForm):
    """The limits of an account; part of its form."""

    max_per_second = forms.FloatField(
        required=False,
        min_value=0.01,
        max_value=100_000,
        label="Mails per second",
        help_text="All campaigns of the account together. Empty: as fast as it goes.",
    )
    max_requests_per_second = forms.FloatField(
        required=False,
        min_value=0.01,
        max_value=100_000,
        label="API requests per second",
        help_text="All API keys of the account together. Empty: only the usual limits of each kind of request.",
    )
    stop_at_bounce_percent = forms.FloatField(
        min_value=0.1,
        max_value=100,
        label="Stop when more than so many percent come back",
        help_text="A campaign pauses itself, at the earliest after 100 mails. Usual is 5.",
    )
    stop_at_complaint_percent = forms.FloatField(
        min_value=0.01,
        max_value=100,
        label="Stop when so many percent call it spam",
        help_text="Counted over all mail of the sender's domain within a week. Large mailbox providers begin to refuse"
        " mail at 0.3.",
    )

    soft_bounces_to_stop = forms.IntegerField(
        min_value=0,
        max_value=100,
        label="Give up an address after so many mails in a row came back",
        help_text="For full mailboxes and the like; addresses that do not exist are given up at once. Usual is 5, 0 is"
        " never.",
    )
    soft_bounce_days = forms.IntegerField(
        min_value=0, max_value=365, label="… over at least so many days", help_text="Usual is 15."
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # A new account starts with the usual limits; there is nothing to hold back yet.
        if self.instance.pk is None:
            for name in LIMIT_FIELDS:
                del self.fields[name]


class DomainLimitForm(_ModelForm):
    """One row: a domain of readers and its pace."""

    max_per_second = forms.FloatField(min_value=0.01, max_value=100_000, label="At most")

    class Meta:
        model = DomainLimit
        fields = ("domain", "max_per_second")

    def clean_domain(self) -> str:
        try:
            return ascii_domain(str(self.cleaned_data["domain"]).strip().removeprefix("@"))
        except AddressError as error:
            raise ValidationError(error.safe_text, code=error.code) from None


class DomainLimitInline(SealpostInline):
    """For the operators of the account, not only for superusers."""

    model = DomainLimit
    form = DomainLimitForm
    extra = 2
    verbose_name_plural = "Mails per second to some domains of readers"

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may(request, Right.VIEW, account_id=_pk(obj)) or self._may_change(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may_change(request, obj)

    has_add_permission = has_delete_permission = has_change_permission

    def _may_change(self, request: HttpRequest, obj: Account | None) -> bool:
        return may(request, Right.MANAGE_DOMAINS, account_id=_pk(obj))


def _pk(account: Account | None) -> int | None:
    return account.pk if account is not None else None
