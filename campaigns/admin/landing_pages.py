"""Unsubscribe pages that campaigns and programs choose from: written, looked at."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import URLPattern
from django.utils.translation import override

from campaigns.accounts.branding import describe_brand
from campaigns.admin.rights import Right
from campaigns.admin.scoping import AccountScopedAdmin, AccountScopedForm
from campaigns.models import LandingPage
from campaigns.tracking.unsubscribe import has_stray_braces, preview_page


class LandingPageForm(AccountScopedForm):
    class Meta:
        model = LandingPage
        fields = ("account", "name", "language", "heading", "text", "button")
        labels: ClassVar[dict[str, str]] = {"text": "Words below it", "button": "Words on the button"}
        help_texts: ClassVar[dict[str, str]] = {
            "name": "For yourselves: readers do not see it.",
            "language": "Of everything on the page that is not written here.",
            "heading": "Empty: “Do you want to unsubscribe?”. For {{ name }} stands what the program gave with the mail, or nothing.",
            "text": "Such as why people got your mail. {{ name }} may stand here as well.",
            "button": "Empty: “Unsubscribe from” and the list. With words of your own, that sentence stands above the button.",
        }
        widgets: ClassVar[dict[str, forms.Widget]] = {"text": forms.Textarea(attrs={"rows": 3})}

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        for field in ("heading", "text"):
            if has_stray_braces(cleaned.get(field, "")):
                self.add_error(field, "A name stands in two braces on each side, such as {{ product }}.")
        if "{{" in cleaned.get("button", "") or "}}" in cleaned.get("button", ""):
            self.add_error("button", "The button holds no names: write them in the heading or the words below it.")
        return cleaned


@admin.register(LandingPage)
class LandingPageAdmin(AccountScopedAdmin):
    """The unsubscribe pages of one's accounts."""

    form = LandingPageForm
    right_to_change: ClassVar[Right] = Right.COMPOSE
    list_display = ("name", "language", "heading", "added")
    search_fields = ("name",)
    list_lead: ClassVar[str] = (
        "What the unsubscribe link of a mail opens, in other words or another language. Campaigns choose a page in their form, programs by its id;"
        " all other mail opens the usual one, whose words are those of the account."
    )
    add_label: ClassVar[str] = "Write a page"
    change_form_template = "admin/campaigns/landingpage/change_form.html"

    def get_urls(self) -> list[URLPattern]:
        return [self.page("<uuid:object_id>/preview/", self.preview, name="preview"), *super().get_urls()]

    def url_after_saving(self, obj: LandingPage, *, is_new: bool) -> str:  # noqa: ARG002
        return self.url_of(obj)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        page = kwargs.get("obj")
        context |= {"preview_url": self.url_of(page, view="preview") if page is not None else ""}
        return super().render_change_form(request, context, *args, **kwargs)

    def preview(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The page as a reader sees it; nothing on it does anything."""
        row: LandingPage = self.find_object(request, object_id)
        context = {"page": preview_page(row), "is_preview": True, "language": row.language}
        with override(row.language):
            text = render_to_string("web/unsubscribe.html", {**context, "brand": describe_brand(row.account)})
        return HttpResponse(text)
