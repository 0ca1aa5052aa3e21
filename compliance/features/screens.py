"""Screens of the admin: its models, and its addresses that belong to no model."""

from __future__ import annotations

# By model, as `app.Model`; an address of the admin that begins with the model's name belongs to it.
TAGS: dict[str, str] = {
    "auth.User": "account.people",
    "campaigns.Account": "account.people",
    "campaigns.ApiKey": "account.people",
    "campaigns.BounceMailbox": "inbound.mail",
    "campaigns.Campaign": "campaign.broadcast",
    "campaigns.Contact": "people.profiles",
    "campaigns.ContactList": "people.profiles",
    "campaigns.Domain": "delivery.domains",
    "campaigns.EmailTemplate": "content.templates",
    "campaigns.HipaaSend": "hipaa.send",
    "campaigns.ImportJob": "people.profiles",
    "campaigns.InboundMail": "inbound.mail",
    "campaigns.InboundRoute": "inbound.mail",
    # It keeps whole mails and shows them: both are on the list.
    "campaigns.SandboxMail": "content.browser-view",
    "campaigns.LandingPage": "api.landing-pages",
    "campaigns.KeptMail": "storage.active",
    "campaigns.Sender": "delivery.domains",
    "campaigns.Suppression": "delivery.suppression",
    "campaigns.Transport": "delivery.transports",
    "campaigns.TransportPool": "delivery.transports",
    # Signed under an agreement, and of a mail they tell an id, a state and a moment.
    "campaigns.WebhookEndpoint": "delivery.reports",
    "compliance.Approval": "hipaa.approval",
    "compliance.Authorization": "hipaa.send",
    "compliance.SendProtocol": "hipaa.approval",
    "compliance.Stop": "hipaa.approval",
    "compliance.ActivityReview": "hipaa.evidence",
    "compliance.AuditEvent": "hipaa.evidence",
    "compliance.Baa": "hipaa.agreements",
    "compliance.DetectorHit": "hipaa.evidence",
    "compliance.Disclosure": "hipaa.evidence",
    "compliance.EmergencyAccess": "account.people",
    "compliance.Incident": "hipaa.evidence",
    "compliance.SelfCheck": "hipaa.evidence",
    "compliance.ShredCertificate": "hipaa.retention",
}
