"""Tables: fields, constraints, querysets. Nothing here sends, enqueues or calls out."""

from campaigns.models.accounts import Account, BaaStatus, Membership, Role
from campaigns.models.api import ApiKey, RequestKey, UploadedContent
from campaigns.models.audiences import ConsentKind, Contact, ContactList, Subscription, SubscriptionState
from campaigns.models.campaigns import Campaign, CampaignKind, CampaignState, Purpose, WindowZone
from campaigns.models.checks import AddressCheck, AddressCheckRun, AddressRisk, MailboxVerdict
from campaigns.models.domains import DkimKey, DnsFinding, Domain, Sender
from campaigns.models.events import Event, EventKind
from campaigns.models.imports import ImportJob, ImportRowError, ImportSeen, ImportState
from campaigns.models.limits import DayCount, DomainLimit, TokenBucket
from campaigns.models.messages import Message, MessageState
from campaigns.models.pools import LOWEST_PRIORITY, PoolAssignment, PoolMember, TransportPool
from campaigns.models.submissions import API_DOORS, Door, Lane, Submission, SubmissionState
from campaigns.models.suppressions import Suppression, SuppressionReason, SuppressionScope
from campaigns.models.templates import EmailTemplate, SourceKind, TemplateAttachment, TemplateVersion
from campaigns.models.transports import SandboxMail, Transport

__all__ = [
    "API_DOORS", "LOWEST_PRIORITY", "Account", "AddressCheck", "AddressCheckRun", "AddressRisk", "ApiKey", "BaaStatus", "Campaign", "CampaignKind", "CampaignState", "ConsentKind", "Contact", "ContactList",
    "DayCount", "DkimKey", "DnsFinding", "Domain", "DomainLimit", "Door", "EmailTemplate", "Event", "EventKind", "ImportJob", "ImportRowError",
    "ImportSeen", "ImportState", "Lane", "MailboxVerdict", "Membership", "Message", "MessageState", "PoolAssignment", "PoolMember", "Purpose",
    "RequestKey", "Role", "SandboxMail",
    "Sender",
    "SourceKind", "Submission", "SubmissionState", "Subscription", "SubscriptionState", "Suppression",
    "SuppressionReason", "SuppressionScope", "TemplateAttachment", "TemplateVersion", "TokenBucket", "Transport", "TransportPool", "UploadedContent", "WindowZone",
]  # fmt: skip
