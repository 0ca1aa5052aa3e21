"""Tables: fields, constraints, querysets. Nothing here sends, enqueues or calls out."""

from campaigns.models.accounts import Account, BaaStatus, Membership, Role
from campaigns.models.audiences import ConsentKind, Contact, ContactList, Subscription, SubscriptionState
from campaigns.models.bounces import BounceMailbox, MailboxKind, MailboxLogin, MailboxMail, SoftBounce
from campaigns.models.campaigns import Campaign, CampaignKind, CampaignState, Purpose, WindowZone
from campaigns.models.domains import DkimKey, DnsFinding, Domain, Sender
from campaigns.models.events import Event, EventKind
from campaigns.models.imports import ImportJob, ImportRowError, ImportSeen, ImportState
from campaigns.models.limits import DayCount, DomainLimit, TokenBucket
from campaigns.models.messages import Message, MessageState
from campaigns.models.submissions import Door, Lane, Submission, SubmissionState
from campaigns.models.suppressions import Suppression, SuppressionReason, SuppressionScope
from campaigns.models.templates import EmailTemplate, SourceKind, TemplateVersion
from campaigns.models.transports import SandboxMail, Transport

__all__ = [
    "Account", "BaaStatus", "BounceMailbox", "Campaign", "CampaignKind", "CampaignState", "ConsentKind", "Contact", "ContactList",
    "DayCount", "DkimKey", "DnsFinding", "Domain", "DomainLimit", "Door", "EmailTemplate", "Event", "EventKind", "ImportJob", "ImportRowError",
    "ImportSeen", "ImportState", "Lane", "MailboxKind", "MailboxLogin", "MailboxMail", "Membership", "Message", "MessageState", "Purpose", "Role", "SandboxMail",
    "Sender",
    "SoftBounce", "SourceKind", "Submission", "SubmissionState", "Subscription", "SubscriptionState", "Suppression",
    "SuppressionReason", "SuppressionScope", "TemplateVersion", "TokenBucket", "Transport", "WindowZone",
]  # fmt: skip
