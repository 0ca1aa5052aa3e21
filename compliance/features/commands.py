"""Commands of manage.py, by name."""

from __future__ import annotations

TAGS: dict[str, str] = {
    "accounting_of_disclosures": "hipaa.evidence",
    "campaign_report": "campaign.broadcast",
    "compliance_selfcheck": "hipaa.evidence",
    "create_account": "account.people",
    "create_api_key": "account.people",
    "create_domain": "delivery.domains",
    "demo": "campaign.broadcast",
    "dispatch": "operation.health",
    "expire_storage": "storage.active",
    "export_evidence": "hipaa.evidence",
    "import_contacts": "people.profiles",
    "import_reports": "delivery.domains",
    "parse_bounces": "inbound.mail",
    "phi_sweep": "hipaa.evidence",
    "retention": "hipaa.retention",
    "revoke_api_key": "account.people",
    "rotate_dkim_key": "delivery.domains",
    "rotate_keys": "hipaa.retention",
    "run": "operation.health",
    "send_campaign": "campaign.broadcast",
    "support_bundle": "hipaa.evidence",
    "shred_expired": "hipaa.retention",
    "smtpd": "smtp.email",
    "sync_schedules": "operation.health",
    "verify_audit": "hipaa.evidence",
    "verify_domains": "delivery.domains",
    "worker": "operation.health",
}
