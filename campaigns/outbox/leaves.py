"""The leaves of a HIPAA send, as an approval's tree counts them."""

from __future__ import annotations

from collections.abc import Iterator

from campaigns.models import Message, Submission
from compliance.approvals.starting import Leaf
from compliance.manifest import make_leaf


def read_leaves(submission: Submission) -> Iterator[Leaf]:
    """One leaf a message, in the order of their primary keys, in constant memory."""
    rows = Message.objects.filter(submission=submission).order_by("pk")
    for pk, key, sealed in rows.values_list("pk", "address_key", "placeholders_sealed").iterator(chunk_size=2_000):
        yield pk, make_leaf(key, bytes(sealed or b""))
