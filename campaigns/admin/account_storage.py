"""How long copies of an account's mails are kept: fields of its page."""

from __future__ import annotations

from typing import Any

from django import forms
from django.template.defaultfilters import filesizeformat

from campaigns.admin.scoping import AccountScopedForm
from campaigns.storage.finding import measure
from campaigns.storage.terms import check_days

STORAGE_FIELDS = ("active_storage_days", "archive_storage_days", "storage_limit_mb")


class StorageForm(AccountScopedForm):
    """Off until somebody asks for it, and always under an agreement that protects health information."""

    active_storage_days = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=365,
        label="Days in active storage",
        help_text="Copies of what was sent, to look into trouble: under Stored mail, for operators and compliance officers."
        " 0: none are kept.",
    )
    archive_storage_days = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=36_525,
        label="Days in the archive",
        help_text="Copies for the long term, such as 2555 for seven years. 0: none. A later change does not change copies"
        " that are there already.",
    )
    storage_limit_mb = forms.IntegerField(
        required=False, min_value=1, max_value=1_000_000_000, label="Megabytes at most"
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is None:
            for name in STORAGE_FIELDS:
                del self.fields[name]
            return
        used = measure(self.instance)
        self.fields["storage_limit_mb"].help_text = (
            "Beyond it nothing more is kept, and sending goes on. Empty: no limit. Now"
            f" {filesizeformat(used.active_bytes)} in active storage (mails: {used.active:,}) and"
            f" {filesizeformat(used.archived_bytes)} in the archive (mails: {used.archived:,})."
        )

    def clean_active_storage_days(self) -> int:
        return self._check("active_storage_days", code="hipaa.active-storage")

    def clean_archive_storage_days(self) -> int:
        return self._check("archive_storage_days", code="hipaa.archive-storage")

    def _check(self, name: str, *, code: str) -> int:
        given: int | None = self.cleaned_data[name]
        days: int = getattr(self.instance, name) if given is None else given
        check_days(self.instance, days, code=code)
        return days
