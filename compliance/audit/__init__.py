"""The audit trail: what was done, by whom, to what – provable afterwards, and without a word about any patient."""

from compliance.audit.actions import ACTIONS
from compliance.audit.writing import SYSTEM, AuditRefused, Ref, Value, note, record

__all__ = ["ACTIONS", "SYSTEM", "AuditRefused", "Ref", "Value", "note", "record"]
