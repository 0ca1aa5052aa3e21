"""Tables: fields, constraints, querysets. Nothing here sends, enqueues or calls out."""

from campaigns.models.accounts import Account, BaaStatus, Membership, Role
from campaigns.models.api import ApiKey, RequestKey, UploadedContent
from campaigns.models.audiences import ConsentKind, Contact, ContactList, Subscription, SubscriptionState
from campaigns.models.campaigns import Campaign, CampaignKind, CampaignState, Purpose, WindowZone
from campaigns.models.domains import DkimKey, DnsFinding, Domain, Sender
from campaigns.models.events import Event, EventKind
from campaigns.models.imports import ImportJob, ImportRowError, ImportSeen, ImportState
from campaigns.models.limits import DayCount, DomainLimit, TokenBucket
from campaigns.models.messages import Message, MessageState
from campaigns.models.submissions import API_DOORS, Door, Lane, ReportLevel, Submission, SubmissionState
from campaigns.models.suppressions import Suppression, SuppressionReason, SuppressionScope
from campaigns.models.templates import EmailTemplate, SourceKind, TemplateVersion
from campaigns.models.transports import SandboxMail, Transport
from campaigns.models.webhooks import (
    REPORT_KINDS,
    DeliveryState,
    EndpointState,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookFormat,
    WebhookKind,
    WebhookMark,
    WebhookSecurity,
)

__all__ = [
    "API_DOORS", "Account", "ApiKey", "BaaStatus", "Campaign", "CampaignKind", "CampaignState", "ConsentKind", "Contact", "ContactList",
    "DayCount", "DkimKey", "DnsFinding", "Domain", "DomainLimit", "Door", "EmailTemplate", "Event", "EventKind", "ImportJob", "ImportRowError",
    "ImportSeen", "ImportState", "Lane", "Membership", "Message", "MessageState", "Purpose", "ReportLevel", "RequestKey", "Role", "SandboxMail",
    "Sender",
    "SourceKind", "Submission", "SubmissionState", "Subscription", "SubscriptionState", "Suppression",
    "SuppressionReason", "SuppressionScope", "TemplateVersion", "TokenBucket", "Transport", "UploadedContent", "WindowZone",
    "DeliveryState", "EndpointState", "REPORT_KINDS", "WebhookDelivery", "WebhookEndpoint", "WebhookFormat", "WebhookKind",
    "WebhookMark", "WebhookSecurity",
]  # fmt: skip
