"""Files uploaded once for the mails of some days: kept sealed, and wiped when their time is over."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Sum

from campaigns.content.letter import Attachment
from campaigns.errors import CampaignError
from campaigns.models import Account, UploadedContent
from compliance import vault

SHORTEST, LONGEST = timedelta(days=1), timedelta(days=7)
# Enough for the pictures of many mails; nobody fills our disk a file at a time.
MOST_BYTES = 250 * 1024 * 1024


def keep_upload(
    account: Account, *, name: str, media_type: str, data: bytes, valid_for: timedelta = SHORTEST, now: datetime
) -> UploadedContent:
    """The file, to be attached by its public id until its time is over.

    Raises CampaignError `content.empty`, `content.too-large`, `content.validity-invalid` or `content.too-many`.
    """
    _check(data, valid_for=valid_for)
    kept = UploadedContent.objects.filter(account=account, expires_at__gt=now).aggregate(Sum("size"))["size__sum"] or 0
    if kept + len(data) > MOST_BYTES:
        raise CampaignError(
            "content.too-many",
            "This account keeps too much uploaded content already.",
            action="Wait until some of it is over, or attach files to the mails themselves.",
            status=413,
        )
    upload = UploadedContent(
        account=account, name=name, media_type=media_type, size=len(data), expires_at=now + valid_for
    )
    upload.data_sealed = vault.seal(data, **_context(upload))
    upload.save(force_insert=True)
    return upload


def open_upload(upload: UploadedContent, *, now: datetime) -> Attachment:
    """The file as an attachment; raises CampaignError `content.gone` once its time is over or its key is gone."""
    if upload.expires_at > now:
        try:
            data = vault.unseal(bytes(upload.data_sealed), **_context(upload))
            return Attachment(upload.name, upload.media_type, data)
        except vault.SealBroken:
            pass
    raise CampaignError("content.gone", "This uploaded content is no longer available.", action="Upload it again.")


def wipe_expired(*, now: datetime) -> int:
    """Delete the files whose time is over; returns how many."""
    return UploadedContent.objects.filter(expires_at__lte=now).delete()[0]


def _check(data: bytes, *, valid_for: timedelta) -> None:
    if not data:
        raise CampaignError("content.empty", "There is no content.", action="Send the file as the body.")
    if len(data) > settings.MAX_MESSAGE_BYTES:
        raise CampaignError(
            "content.too-large",
            f"A file has at most {settings.MAX_MESSAGE_BYTES // (1024 * 1024)} MB.",
            action="Send a smaller one.",
            status=413,
        )
    if not SHORTEST <= valid_for <= LONGEST:
        raise CampaignError(
            "content.validity-invalid", "Content is kept for 1440 to 10080 minutes.", action="Choose another time."
        )


def _context(upload: UploadedContent) -> dict[str, str]:
    account = str(upload.account.public_id)
    return {"account": account, "thing": "upload", "id": str(upload.public_id), "field": "data"}
