"""Versions: immutable states of a template, the only thing that is ever sent."""

from __future__ import annotations

from dataclasses import asdict

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.utils import timezone

from campaigns.content.draft import BUILT_IN, Variable, VersionDraft, draft_of
from campaigns.content.preflight import check_draft
from campaigns.content.problems import TemplateError, TemplateProblem
from campaigns.models import BaaStatus, EmailTemplate, TemplateVersion
from compliance.approvals.contributions import note_contribution

__all__ = [
    "BUILT_IN", "TemplateError", "TemplateProblem", "Variable", "VersionDraft", "check_draft", "create_version",
    "draft_of",
]  # fmt: skip


def create_version(
    template: EmailTemplate, *, draft: VersionDraft, author: AbstractBaseUser | None = None
) -> TemplateVersion:
    """The next version of a template, or its latest when nothing changed; raises TemplateError."""
    blocking = [problem for problem in check_draft(draft) if problem.blocking]
    if blocking:
        raise TemplateError(blocking)
    digest = draft.digest()
    with transaction.atomic():
        # Saves of one template wait for each other, so numbers have no gaps and no doubles.
        locked = EmailTemplate.objects.select_for_update(of=("self",)).select_related("account").get(pk=template.pk)
        latest = locked.latest
        if latest is not None and latest.digest == digest:
            return latest
        if author is not None and locked.account.baa_status != BaaStatus.NONE:
            # Whoever wrote it is not among those who approve what is made of it.
            thing = ("template", str(locked.public_id))
            note_contribution(thing, person_id=author.pk, part="template", now=timezone.now())
        return TemplateVersion.objects.create(
            template=locked,
            number=latest.number + 1 if latest else 1,
            subject=draft.subject,
            preheader=draft.preheader,
            source_kind=draft.source_kind,
            source=draft.source,
            text_source=draft.text_source,
            variables=[asdict(variable) for variable in draft.variables],
            digest=digest,
            created_by_id=author.pk if author else None,
        )
