"""What a HIPAA send is made of, as an approval's manifest holds it: read from the rows, each time anew.

Whoever submits a send describes it by the same function as the outbox, which asks again before anything leaves.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from campaigns.content.draft import draft_of
from campaigns.models import Campaign, Sender, Submission, TemplateVersion, Transport
from compliance.approvals.starting import MADE_HERE
from compliance.manifest import PARTS

Json = Any

TLS_POLICY = "hold"
"""Without verified TLS a mail waits; it is neither dropped nor sent in the clear."""


def describe_send(
    campaign: Campaign, *, content: TemplateVersion, sender: Sender, transport: Transport, purpose: str
) -> dict[str, Json]:
    """The parts that rows decide, by their names in the manifest."""
    return {
        "account": str(campaign.account.public_id),
        "campaign": str(campaign.public_id),
        "kind": campaign.kind,
        "purpose": purpose,
        "template": {
            "id": str(content.template.public_id),
            "version": content.number,
            # Of the texts as they stand in the row: its own digest could be left as it was by who edits them.
            "digest": draft_of(content).digest(),
            "variables": content.variables,
        },
        "from": {"name": sender.name, "address": sender.email, "domain": sender.domain.name},
        "reply_to": sender.reply_to,
        "relay": {
            "id": str(transport.public_id),
            "kind": transport.kind,
            "config": hashlib.sha256(bytes(transport.config_sealed)).hexdigest(),
        },
        "tls_policy": TLS_POLICY,
    }


def read_parts(submission: Submission, *, approved: Mapping[str, Json]) -> dict[str, Json]:
    """The parts as the rows are now; what stands in no row but in statements of people is taken as `approved`."""
    assert submission.campaign is not None
    assert submission.content is not None
    assert submission.sender is not None
    stated = {name: approved[name] for name in PARTS - MADE_HERE}
    rows = describe_send(
        submission.campaign, content=submission.content, sender=submission.sender, transport=submission.transport,
        purpose=submission.purpose,
    )  # fmt: skip
    return {**stated, **rows}
