"""What is kept of refused requests about protected mail: who asked where, and by which code; never what was sent."""

from __future__ import annotations

from campaigns.accounts.credentials import Credential
from campaigns.errors import CampaignError
from campaigns.models import BaaStatus, Lane
from compliance import audit
from compliance.audit import Ref, Value


def note_refusal(credential: Credential, error: CampaignError, *, door: str) -> None:
    """Keep that a program was refused, when its key or its account is under HIPAA; `door` such as `hipaa-http`."""
    if credential.lane != Lane.HIPAA and credential.account.baa_status == BaaStatus.NONE:
        return
    key = credential.key
    actor = Ref("key", str(key.public_id)) if key is not None else Ref("person", credential.key_id_for_logs.split()[-1])
    data: dict[str, Value] = {"code": error.code}
    if violations := getattr(error, "violations", ()):
        # The trail takes neither brackets nor anything a person could have typed.
        data["field"] = violations[0].property.replace("[", ".").replace("]", "")[:200]
    owner = str(credential.account.public_id)
    audit.note("hipaa.blocked", owner=owner, actor=actor, about=Ref("endpoint", door), data=data)
