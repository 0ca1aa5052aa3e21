"""Pages of our own inside Django's admin: their addresses, their frame, and forms whose work a room does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django import forms
from django.contrib.admin import AdminSite
from django.db import models
from django.db.models.options import Options
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from campaigns.errors import CampaignError
from campaigns.models import Account


class OwnPages:
    """For admin classes: pages beside the ones Django makes."""

    opts: Options[Any]
    admin_site: AdminSite

    def url_of(self, obj: models.Model | None = None, *, view: str = "change") -> str:
        """The address of a page of this screen; those of the whole table ("changelist", "add") need no row."""
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_{view}"
        return reverse(name) if obj is None else reverse(name, args=(id_of(obj),))

    def name_of(self, obj: models.Model) -> str:
        """What a page calls the row; its own text goes into logs and must name nobody."""
        return str(obj)

    def page(self, route: str, view: Callable[..., HttpResponseBase], *, name: str) -> URLPattern:
        """A page below this screen, for signed-in people only; url_of finds it by the name."""
        name = f"{self.opts.app_label}_{self.opts.model_name}_{name}"
        return path(route, self.admin_site.admin_view(view), name=name)

    def show(
        self, request: HttpRequest, template: str, /, *, title: str, obj: models.Model | None = None, **context: Any
    ) -> TemplateResponse:
        """A page with everything the theme needs."""
        row = {} if obj is None else {"original": obj, "here": self.name_of(obj), "object_url": self.url_of(obj)}
        base = {**self.admin_site.each_context(request), "opts": self.opts, "title": title, **row}
        return TemplateResponse(request, template, base | context)

    def show_form(
        self,
        request: HttpRequest,
        form: forms.Form,
        act: Callable[[dict[str, Any]], str],
        *,
        title: str,
        template: str = "admin/_form_page.html",
        **context: Any,
    ) -> HttpResponse:
        """A page with a form; once valid, act does the work and says where to go, and its refusal shows on the form."""
        if request.method == "POST" and form.is_valid():
            try:
                return HttpResponseRedirect(act(form.cleaned_data))
            except CampaignError as error:
                refuse(form, error)
        return self.show(request, template, title=title, form=form, **context)


class AccountForm(forms.Form):
    """A form about an account; the choice is left out for people who have no choice."""

    account = forms.ModelChoiceField(queryset=Account.objects.none(), empty_label="Choose an account")

    def __init__(self, *args: Any, accounts: models.QuerySet[Account], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        found = list(accounts[:2])
        self.only = found[0] if len(found) == 1 else None
        if self.only:
            del self.fields["account"]
        else:
            self.fields["account"].queryset = accounts  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if self.only:
            cleaned["account"] = self.only
        return cleaned


# Which field a refusal belongs to, by its code or the area of its code; the rest concerns the whole form.
_PLACES: Mapping[str, tuple[str, ...]] = {
    "domain.tracking-host-other": ("tracking_host",),
    "domain.spf-terms-invalid": ("spf_terms",),
    "domain.reports-to-odd": ("reports_to",),
    "report": ("reports",),
    "replies": ("address",),
    "pool": ("name",),
    "address": ("address", "email", "to", "name", "return_path"),
    "domain": ("email", "name", "return_path"),
    "import": ("file",),
    "inbound.pattern-invalid": ("pattern",),
    "inbound.exists": ("pattern",),
    "inbound.forward-circle": ("forward_to",),
    "inbound.forward-invalid": ("forward_to",),
    "inbound.endpoint-missing": ("endpoint",),
    "inbound.domain-unverified": ("domain",),
}


def refuse(form: forms.Form, error: CampaignError) -> None:
    """Show a room's refusal on the form, beside its field where that is clear."""
    names = _PLACES.get(error.code) or _PLACES.get(error.code.partition(".")[0], ())
    place = next((name for name in names if name in form.fields), None)
    form.add_error(place, f"{error.safe_text} {error.action}".strip())


def id_of(obj: models.Model) -> str:
    """What stands for the row in an address: its public id, or its key where it has none."""
    return str(getattr(obj, id_field(type(obj))))


def id_field(model: type[models.Model]) -> str:
    return "public_id" if any(field.name == "public_id" for field in model._meta.fields) else "pk"
