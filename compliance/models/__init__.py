"""Tables of proof. They may point at campaigns' tables by name; nothing there points back."""

from compliance.models.audit import AuditChain, AuditCheckpoint, AuditEvent
from compliance.models.decisions import Decision
from compliance.vault.tables import DataKey

__all__ = ["AuditChain", "AuditCheckpoint", "AuditEvent", "DataKey", "Decision"]
