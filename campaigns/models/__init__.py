"""Tables: fields, constraints, querysets. Nothing here sends, enqueues or calls out."""

from campaigns.models.accounts import Account, BaaStatus, Language, Membership, Role
from campaigns.models.api import ApiKey, RequestKey, Trial, UploadedContent
from campaigns.models.audiences import ConsentKind, Contact, ContactList, Subscription, SubscriptionState
from campaigns.models.bounces import BounceMailbox, KeptReport, MailboxKind, MailboxLogin, MailboxMail, SoftBounce
from campaigns.models.campaigns import Campaign, CampaignKind, CampaignState, PixelPosition, Purpose, WindowZone
from campaigns.models.checks import AddressCheck, AddressCheckRun, AddressRisk, MailboxVerdict
from campaigns.models.counts import StateCount
from campaigns.models.devices import Device, System
from campaigns.models.domains import DkimKey, DnsFinding, Domain, Sender, UnsubscribeLevel
from campaigns.models.events import Event, EventKind
from campaigns.models.hipaa import FirstBatch, HipaaSend, MessageFile, SendTerms, TlsProbe
from campaigns.models.imports import ImportJob, ImportRowError, ImportSeen, ImportState
from campaigns.models.inbound import InboundMail, InboundPlace, InboundRaw, InboundRoute, InboundState, RouteAction
from campaigns.models.landing import LandingPage
from campaigns.models.levels import TrackingLevel
from campaigns.models.limits import DayCount, DomainLimit, SlowDomain, TokenBucket
from campaigns.models.messages import Message, MessageState
from campaigns.models.people import KeptDraft, RecoveryCode, SecondFactor
from campaigns.models.pools import LOWEST_PRIORITY, PoolAssignment, PoolMember, TransportPool
from campaigns.models.preferences import Frequency, Goodbye, LeavingReason, Preference
from campaigns.models.reports import DmarcCount, DomainReport, ReportKind, TlsCount
from campaigns.models.storage import KeptMail
from campaigns.models.submissions import API_DOORS, LETTER_DOORS, Door, Lane, ReportLevel, Submission, SubmissionState
from campaigns.models.suppressions import (
    HIPAA_REASONS,
    Suppression,
    SuppressionImport,
    SuppressionLift,
    SuppressionReason,
    SuppressionScope,
)
from campaigns.models.templates import EmailTemplate, SourceKind, TemplateAttachment, TemplateVersion
from campaigns.models.tracking import Breakdown, HitCount, Split, TrackedLink, TrackingChoice, Verdict
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
    "API_DOORS", "HIPAA_REASONS", "LETTER_DOORS", "LOWEST_PRIORITY", "REPORT_KINDS", "Account", "AddressCheck", "AddressCheckRun",
    "AddressRisk", "ApiKey", "BaaStatus", "BounceMailbox", "Breakdown", "Campaign", "CampaignKind", "CampaignState",
    "ConsentKind", "Contact", "ContactList", "DayCount", "DeliveryState", "Device", "DkimKey", "DmarcCount",
    "DnsFinding", "Domain", "DomainLimit", "DomainReport", "Door", "EmailTemplate", "EndpointState", "Event",
    "EventKind", "FirstBatch", "Frequency", "Goodbye", "HipaaSend", "HitCount", "ImportJob", "ImportRowError", "ImportSeen",
    "ImportState", "InboundMail", "InboundPlace", "InboundRaw", "InboundRoute", "InboundState", "KeptDraft",
    "KeptMail", "KeptReport", "LandingPage", "Lane", "Language", "LeavingReason", "MailboxKind", "MailboxLogin", "MailboxMail",
    "MailboxVerdict", "Membership", "Message", "MessageFile", "MessageState", "PixelPosition", "PoolAssignment",
    "PoolMember", "Preference", "Purpose", "RecoveryCode", "ReportKind", "ReportLevel", "RequestKey", "Role",
    "RouteAction", "SandboxMail", "SecondFactor", "SendTerms", "Sender", "SlowDomain", "SoftBounce", "SourceKind",
    "Split", "StateCount", "Submission", "SubmissionState", "Subscription", "SubscriptionState", "Suppression",
    "SuppressionImport", "SuppressionLift", "SuppressionReason", "SuppressionScope", "System", "TemplateAttachment",
    "TemplateVersion", "TlsCount", "TlsProbe", "TokenBucket", "TrackedLink", "TrackingChoice", "TrackingLevel", "Transport",
    "TransportPool", "Trial", "UnsubscribeLevel", "UploadedContent", "Verdict", "WebhookDelivery", "WebhookEndpoint",
    "WebhookFormat", "WebhookKind", "WebhookMark", "WebhookSecurity", "WindowZone",
]  # fmt: skip
