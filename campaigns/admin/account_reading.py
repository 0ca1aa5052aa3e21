"""What of an account's mail can be read on the web: fields of its page."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.urls import reverse

from campaigns.admin.scoping import AccountScopedForm
from campaigns.models import BaaStatus
from campaigns.tracking.unsubscribe import has_stray_braces

READING_FIELDS = ("unsubscribe_text", "browser_view_days", "has_public_archive")


class ReadingForm(AccountScopedForm):
    """The unsubscribe page, the link to a mail in the browser, and the public archive."""

    unsubscribe_text = forms.CharField(
        required=False,
        max_length=500,
        label="Words on the unsubscribe page",
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="Such as why people got your mail. {{ name }} stands for what a program gave as landing page placeholder.",
    )
    browser_view_days = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=3650,
        label="Days a mail can be read in the browser",
        help_text="The link {{ browser_url }} of a mail works so long, and shows its reader's own values.",
    )
    has_public_archive = forms.BooleanField(
        required=False,
        label="Public archive",
        help_text="A page and a feed (RSS) with the campaigns that are chosen for it, without anybody's values.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is None:
            for name in READING_FIELDS:
                del self.fields[name]
            return
        where = f"{settings.PUBLIC_URL}{reverse('web:archive', args=[self.instance.slug])}"
        self.fields["has_public_archive"].help_text = f"{self.fields['has_public_archive'].help_text} It is at {where}"

    def clean_unsubscribe_text(self) -> str:
        given = str(self.cleaned_data["unsubscribe_text"])
        if has_stray_braces(given):
            raise ValidationError("A name stands in two braces on each side, such as {{ product }}.", code="braces")
        return given

    def clean_browser_view_days(self) -> int:
        given: int | None = self.cleaned_data["browser_view_days"]
        return given or int(self.instance.browser_view_days)

    def clean_has_public_archive(self) -> bool:
        wanted = bool(self.cleaned_data["has_public_archive"])
        if wanted and self.instance.baa_status != BaaStatus.NONE:
            raise ValidationError(
                "Not under an agreement that protects health information: whoever has the address has the content.",
                code="hipaa.link-access",
            )
        return wanted
