"""Which mail of ours somebody answers: told by the ids that mail programs repeat (RFC 5322 §3.6.4)."""

from __future__ import annotations

import re
from uuid import UUID

from campaigns.inbound.parse import Headers
from campaigns.models import Account, Message

_OUR_ID = re.compile(r"<([0-9a-f]{32})@", re.IGNORECASE)
# The ids of a long thread; the last one is the mail that is answered.
_MOST = 20


def find_answered(headers: Headers, *, account: Account) -> Message | None:
    """The message of the account this mail answers. Its id is random, so whoever repeats it has seen the mail."""
    told = [*headers.get_all("references"), *headers.get_all("in-reply-to")]
    ids = [UUID(found) for value in told for found in _OUR_ID.findall(value[:8_000])][-_MOST:]
    if not ids:
        return None
    messages = Message.objects.filter(public_id__in=ids, submission__account=account).only("pk", "public_id")
    rows = {message.public_id: message for message in messages}
    return next((rows[one] for one in reversed(ids) if one in rows), None)
