"""The screens of the second factor: set it up, prove it, and codes on paper for the day the phone is lost."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import segno
from django import forms
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString, mark_safe

from campaigns.accounts import second_factor
from campaigns.accounts.second_factor import WrongCode
from campaigns.admin.guard import before_factor, next_page, to_page
from campaigns.admin.pages import refuse
from compliance.approvals.quorum import FACTOR_FRESH

_FOLDER = "admin/second_factor"

if TYPE_CHECKING:
    _Site = AdminSite
else:
    _Site = object


class CodeForm(forms.Form):
    """Six digits, or a recovery code."""

    code = forms.CharField(
        max_length=40,
        label="Code",
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "inputmode": "numeric", "autofocus": True}),
    )


class ConfirmForm(CodeForm):
    code = forms.CharField(
        max_length=40,
        label="Code",
        help_text="The six digits your authenticator app shows for Sealpost. Without your phone: one of your recovery codes.",
        # Recovery codes have letters, so no keyboard of digits.
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "autofocus": True}),
    )


class SecondFactorPages(_Site):
    """Addresses and screens; part of the admin site."""

    def factor_urls(self) -> list[URLPattern]:
        return [
            path("second-factor/", self.admin_view(self.second_factor), name="second_factor"),
            path("second-factor/confirm/", self.admin_view(self.confirm), name="confirm"),
            path("second-factor/codes/", self.admin_view(self.recovery_codes), name="recovery_codes"),
        ]

    @before_factor
    def second_factor(self, request: HttpRequest) -> HttpResponse:
        """Set it up; for somebody who has, what is set up."""
        user = _person(request)
        if second_factor.is_set_up(user):
            if not second_factor.find_moment(request.session):
                return to_page("admin:confirm", request)
            return self._show(request, "set_up", title="Second factor", left=second_factor.count_codes(user))
        form = CodeForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                codes = second_factor.finish(user, form.cleaned_data["code"], now=timezone.now())
            except WrongCode as error:
                _mark(form, error)
            else:
                _note(request)
                return self._show(request, "codes", title="Your recovery codes", codes=codes, next=next_page(request))
        setup = second_factor.begin(user)
        return self._show(
            request, "begin", title="Set up your second factor", form=form, qr=_draw(setup.uri), secret=_grouped(setup.secret),
            is_required=second_factor.is_required(user), next=next_page(request),
        )  # fmt: skip

    @before_factor
    def confirm(self, request: HttpRequest) -> HttpResponse:
        """Ask for a code, then go on to where the person was going."""
        user, onwards = _person(request), next_page(request)
        if not second_factor.is_set_up(user):
            return to_page("admin:second_factor", request, onwards=onwards)
        form = ConfirmForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                second_factor.prove(user, form.cleaned_data["code"], now=timezone.now())
            except WrongCode as error:
                _mark(form, error)
            else:
                _note(request)
                return HttpResponseRedirect(onwards)
        return self._show(request, "confirm", title="Confirm that it is you", form=form, next=onwards)

    def recovery_codes(self, request: HttpRequest) -> HttpResponse:
        """Ten new codes, shown once; the old ones end."""
        user = _person(request)
        moment = second_factor.find_moment(request.session)
        if not second_factor.is_set_up(user) or moment is None or timezone.now() - moment > FACTOR_FRESH:
            return to_page("admin:confirm", request)
        if request.method != "POST":
            return HttpResponseRedirect(reverse("admin:second_factor"))
        messages.success(request, "The old codes do not count any more.")
        codes = second_factor.renew_codes(user)
        return self._show(request, "codes", title="Your recovery codes", codes=codes, next=reverse("admin:index"))

    def _show(self, request: HttpRequest, page: str, **context: Any) -> TemplateResponse:
        answer = TemplateResponse(request, f"{_FOLDER}/{page}.html", {**self.each_context(request), **context})
        # A secret is on some of these pages.
        answer.headers["Cache-Control"] = "no-store"
        return answer


def _note(request: HttpRequest) -> None:
    # Another session key, as after the password: one somebody planted before is worth nothing.
    request.session.cycle_key()
    second_factor.note_moment(request.session, now=timezone.now())


def _person(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user


def _mark(form: forms.Form, error: WrongCode) -> None:
    refuse(form, error)
    for text in form.errors.pop("__all__", ()):
        form.add_error("code", text)


def _draw(uri: str) -> SafeString:
    """The QR code as SVG within the page: no request of its own could leak the secret."""
    out = io.BytesIO()
    segno.make(uri, error="m").save(
        out, kind="svg", xmldecl=False, svgns=True, omitsize=True, border=2, svgclass="qr", lineclass=None, light="#fff"
    )
    return mark_safe(out.getvalue().decode())  # noqa: S308 - drawn here, of squares


def _grouped(secret: str) -> str:
    return " ".join(secret[at : at + 4] for at in range(0, len(secret), 4))
