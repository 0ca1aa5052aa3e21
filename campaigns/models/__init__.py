"""Tables: fields, constraints, querysets. Nothing here sends, enqueues or calls out."""

from campaigns.models.accounts import Account, BaaStatus, Membership, Role
from campaigns.models.audiences import ConsentKind, Contact, ContactList, Subscription, SubscriptionState
from campaigns.models.campaigns import Campaign, CampaignKind, CampaignState, PixelPosition, Purpose, WindowZone
from campaigns.models.counts import StateCount
from campaigns.models.devices import Device, System
from campaigns.models.domains import DkimKey, DnsFinding, Domain, Sender
from campaigns.models.events import Event, EventKind
from campaigns.models.imports import ImportJob, ImportRowError, ImportSeen, ImportState
from campaigns.models.levels import TrackingLevel
from campaigns.models.limits import DayCount, DomainLimit, TokenBucket
from campaigns.models.messages import Message, MessageState
from campaigns.models.submissions import Door, Lane, Submission, SubmissionState
from campaigns.models.suppressions import Suppression, SuppressionReason, SuppressionScope
from campaigns.models.templates import EmailTemplate, SourceKind, TemplateVersion
from campaigns.models.tracking import Breakdown, HitCount, Split, TrackedLink, TrackingChoice, Verdict
from campaigns.models.transports import SandboxMail, Transport

__all__ = [
    "Account", "BaaStatus", "Breakdown", "Campaign", "CampaignKind", "CampaignState", "ConsentKind", "Contact",
    "ContactList", "DayCount", "Device", "DkimKey", "DnsFinding", "Domain", "DomainLimit", "Door", "EmailTemplate", "Event",
    "EventKind", "HitCount", "ImportJob", "ImportRowError", "ImportSeen", "ImportState", "Lane", "Membership",
    "Message", "MessageState", "PixelPosition", "Purpose", "Role", "SandboxMail", "Sender", "SourceKind", "Split",
    "StateCount", "Submission", "SubmissionState", "Subscription", "SubscriptionState", "Suppression",
    "SuppressionReason", "SuppressionScope", "System", "TemplateVersion", "TokenBucket", "TrackedLink", "TrackingChoice",
    "TrackingLevel", "Transport", "Verdict", "WindowZone",
]  # fmt: skip
