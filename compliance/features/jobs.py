"""Background jobs, by their dotted path."""

from __future__ import annotations

TAGS: dict[str, str] = {
    "campaigns.tasks.expire_storage": "storage.active",
    "campaigns.tasks.ship_to_archive": "storage.archive",
    "campaigns.tasks.break_down": "delivery.reports",
    "campaigns.tasks.check_addresses": "people.profiles",
    "campaigns.tasks.dispatch_stream": "api.email",
    "campaigns.tasks.dispatch_submission": "operation.health",
    "campaigns.tasks.import_suppressions": "delivery.suppression",
    "campaigns.tasks.forget_expired": "operation.health",
    "campaigns.tasks.look_at_domain": "delivery.domains",
    "campaigns.tasks.look_at_domains": "delivery.domains",
    "campaigns.tasks.look_into_mailbox": "inbound.mail",
    "campaigns.tasks.look_into_mailboxes": "inbound.mail",
    "campaigns.tasks.probe_domains": "hipaa.send",
    "campaigns.tasks.process_inbound": "inbound.mail",
    "campaigns.tasks.plan_submission": "campaign.broadcast",
    "campaigns.tasks.run_import": "people.profiles",
    "campaigns.tasks.start_approved": "hipaa.approval",
    "campaigns.tasks.sweep": "operation.health",
    "campaigns.tasks.tell_webhooks": "delivery.reports",
    "compliance.tasks.expire_approvals": "hipaa.approval",
    "compliance.tasks.close_emergencies": "account.people",
    "compliance.tasks.keep_selfcheck": "hipaa.evidence",
    "compliance.tasks.make_reviews": "hipaa.evidence",
    "compliance.tasks.run_retention": "hipaa.retention",
    "compliance.tasks.shred_expired": "hipaa.retention",
    "compliance.tasks.suspend_lapsed": "hipaa.agreements",
    "compliance.tasks.write_checkpoints": "hipaa.evidence",
}
