"""Tables of proof. They may point at campaigns' tables by name; nothing there points back."""

from compliance.models.agreements import Acknowledgement, Baa, ReplyMailbox, Terms
from compliance.models.approvals import (
    Approval,
    ApprovalPolicy,
    Attestation,
    Contribution,
    MessageProof,
    SendProtocol,
    Stop,
    Vote,
)
from compliance.models.audit import AuditChain, AuditCheckpoint, AuditEvent
from compliance.models.authorizations import Authorization
from compliance.models.decisions import Decision
from compliance.models.detectors import DetectorException, DetectorHit
from compliance.models.disclosures import Disclosure
from compliance.models.oversight import ActivityReview, EmergencyAccess, Incident, SelfCheck
from compliance.models.shredding import ShredCertificate
from compliance.vault.tables import DataKey

__all__ = [
    "Acknowledgement", "ActivityReview", "Approval", "ApprovalPolicy", "Attestation", "AuditChain", "AuditCheckpoint", "AuditEvent", "Authorization", "Baa",
    "Contribution", "DataKey", "Decision", "DetectorException", "DetectorHit", "Disclosure", "EmergencyAccess", "Incident", "MessageProof", "ReplyMailbox", "SelfCheck", "SendProtocol", "ShredCertificate", "Stop", "Terms", "Vote",
]  # fmt: skip
