"""Approvals of sends that carry protected data: who submitted, approved and stated what, bound to a manifest."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import F, Q


class ApprovalPolicy(models.Model):
    """How an account approves. Without one nothing is approved and nothing is sent."""

    account = models.OneToOneField("campaigns.Account", on_delete=models.PROTECT, related_name="+")
    version = models.PositiveIntegerField(default=1)
    approvals = models.PositiveSmallIntegerField(default=1)
    valid_days = models.PositiveSmallIntegerField(default=7)
    allows_importers = models.BooleanField(default=False)
    changed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(approvals__gte=1, approvals__lte=5, valid_days__gte=1, valid_days__lte=30),
                name="approval_policy_in_bounds",
            )
        ]

    def __str__(self) -> str:
        return f"Approval policy, version {self.version}"


class Approval(models.Model):
    """One revision of a send that was submitted for approval; compliance.approvals.states says how it goes on.

    `digest` is that of the manifest, `things` what contributions are looked up for, as [kind, id]. A campaign has one
    approval that is not over.
    """

    class State(models.TextChoices):
        IN_REVIEW = "in-review", "In review"
        APPROVED = "approved", "Approved"
        SENDING = "sending", "Sending"
        STOPPED = "stopped", "Stopped"
        SENT = "sent", "Sent"
        REJECTED = "rejected", "Rejected"
        VOIDED = "voided", "Void"
        EXPIRED = "expired", "Expired"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    account = models.ForeignKey("campaigns.Account", on_delete=models.PROTECT, related_name="+")
    campaign = models.ForeignKey("campaigns.Campaign", on_delete=models.PROTECT, related_name="+")
    revision = models.PositiveIntegerField()
    state = models.CharField(max_length=9, choices=State, default=State.IN_REVIEW)
    submitted_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    submitted_at = models.DateTimeField()
    manifest = models.JSONField()
    digest = models.CharField(max_length=64)
    recipients = models.BigIntegerField()
    merkle_root = models.CharField(max_length=64)
    things = models.JSONField(default=list)
    needed = models.PositiveSmallIntegerField()
    policy_version = models.PositiveIntegerField()
    not_before = models.DateTimeField(null=True)
    review_until = models.DateTimeField()
    approved_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    ended_because = models.CharField(max_length=60, blank=True, default="")

    class Meta:
        ordering = ["submitted_at"]
        constraints = [
            models.UniqueConstraint(fields=["campaign", "revision"], name="approval_revision_once"),
            models.UniqueConstraint(
                fields=["campaign"],
                condition=Q(state__in=["in-review", "approved", "sending", "stopped"]),
                name="approval_one_live",
            ),
        ]
        indexes = [
            models.Index(
                fields=["account", "submitted_at"],
                name="approval_live",
                condition=Q(state__in=["in-review", "approved", "sending", "stopped"]),
            )
        ]

    def __str__(self) -> str:
        return f"Approval {str(self.public_id)[:8]}"


class Vote(models.Model):
    """What one person decided about one approval. `signature` binds name, moment and meaning to the manifest.

    `submitted_by` stands here once more so that the database itself refuses a vote on one's own send.
    """

    class Verdict(models.TextChoices):
        APPROVE = "approve", "Approve"
        REJECT = "reject", "Reject"

    approval = models.ForeignKey(Approval, on_delete=models.PROTECT, related_name="votes")
    voter = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    submitted_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    verdict = models.CharField(max_length=7, choices=Verdict)
    reason = models.CharField(max_length=40, blank=True, default="")
    note = models.CharField(max_length=500, blank=True, default="")
    factor_age = models.PositiveIntegerField("seconds since the second factor")
    at = models.DateTimeField()
    digest = models.CharField(max_length=64)
    signature = models.CharField(max_length=128)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["approval", "voter"], name="vote_once"),
            models.CheckConstraint(condition=~Q(voter=F("submitted_by")), name="vote_not_on_own_send"),
        ]

    def __str__(self) -> str:
        return f"{self.get_verdict_display()} by {self.voter_id}"


class Attestation(models.Model):
    """What one person stated about one approval: the statement as it was shown, by its version and digest."""

    class Side(models.TextChoices):
        AUTHOR = "author", "Author"
        APPROVER = "approver", "Approver"

    approval = models.ForeignKey(Approval, on_delete=models.PROTECT, related_name="attestations")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    side = models.CharField(max_length=8, choices=Side)
    code = models.CharField(max_length=4)
    answers = models.JSONField(default=dict)
    text_version = models.PositiveIntegerField()
    text_digest = models.CharField(max_length=64)
    at = models.DateTimeField()
    # Of the network, not the machine: /24 or /48.
    network = models.CharField(max_length=45, blank=True, default="")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["approval", "person", "code"], name="attestation_once")]

    def __str__(self) -> str:
        return f"{self.code} by {self.person_id}"


class Contribution(models.Model):
    """Somebody had a hand in something that may be approved: whoever did is not among the four eyes.

    By value, because a template is edited before any campaign uses it.
    """

    thing_kind = models.CharField(max_length=40)
    thing_id = models.CharField(max_length=36)
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    part = models.CharField(max_length=20)
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["thing_kind", "thing_id", "at"], name="contribution_thing")]

    def __str__(self) -> str:
        return f"{self.part} of {self.thing_kind}"


class MessageProof(models.Model):
    """That a message is on the approved list, as it was approved: a code over the approval and the message's leaf.

    The leaf stays when the content it was made of is shredded: the list can still be proven.
    """

    # Written from the rows of the messages in one statement; looking each of them up would cost as much as writing.
    message = models.OneToOneField(
        "campaigns.Message", on_delete=models.CASCADE, primary_key=True, related_name="+", db_constraint=False
    )
    approval = models.ForeignKey(Approval, on_delete=models.PROTECT, related_name="+", db_constraint=False)
    position = models.BigIntegerField()
    leaf = models.BinaryField()
    mac = models.BinaryField()

    class Meta:
        indexes = [models.Index(fields=["approval", "position"], name="message_proof_position")]

    def __str__(self) -> str:
        return f"Proof of message {self.message_id}"


class SendProtocol(models.Model):
    """Sends that are routine (45 CFR 164.514(d)(3)(i)): like one that was approved in full, for as many people at most.

    `digest` stands for what stays the same from send to send; compliance.approvals.routine says what that is. `mac` binds
    the row: one that somebody wrote into the table lets nothing through.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    account = models.ForeignKey("campaigns.Account", on_delete=models.PROTECT, related_name="+")
    approval = models.ForeignKey(Approval, on_delete=models.PROTECT, related_name="+")
    digest = models.CharField(max_length=64)
    most_recipients = models.BigIntegerField()
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    made_at = models.DateTimeField()
    # Evidence is kept from here on: the last day on which it can have been in effect.
    ends_at = models.DateTimeField()
    ended_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    ended_at = models.DateTimeField(null=True)
    ended_because = models.CharField(max_length=60, blank=True, default="")
    mac = models.CharField(max_length=64)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "digest"], condition=Q(ended_at__isnull=True), name="protocol_one_standing"
            ),
        ]

    def __str__(self) -> str:
        return f"Protocol {str(self.public_id)[:8]}"


class Stop(models.Model):
    """Everything under HIPAA stands still: of one account, or of all when there is none."""

    account = models.ForeignKey("campaigns.Account", null=True, on_delete=models.PROTECT, related_name="+")
    reason = models.CharField(max_length=40)
    ordered_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    ordered_at = models.DateTimeField()
    lifted_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    lifted_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["account"], name="stop_standing", condition=Q(lifted_at__isnull=True))]

    def __str__(self) -> str:
        return f"Stop since {self.ordered_at:%Y-%m-%d %H:%M}"
