"""The closed vocabulary of the audit trail: a name for each thing an auditor may ask about (45 CFR 164.312(b)).

A name is never changed or reused; the events that carry it are kept for years.
"""

from __future__ import annotations

ACTIONS: dict[str, str] = {
    # People and their rights
    "person.signed-in": "Signed in.",
    "person.sign-in-failed": "A sign-in failed.",
    "person.signed-out": "Signed out.",
    "person.logged-off": "Signed out because of inactivity.",
    "person.locked-out": "Locked out after too many failed sign-ins.",
    "person.factor-added": "Added a second factor.",
    "person.factor-removed": "Removed a second factor.",
    "person.deactivated": "Was deactivated; sessions and keys ended.",
    "person.role-given": "Got a role.",
    "person.role-taken": "Lost a role.",
    "key.made": "An API key or SMTP credential was made.",
    "key.revoked": "An API key or SMTP credential was revoked.",
    # Agreements
    "baa.recorded": "An agreement was recorded.",
    "baa.amended": "An agreement's dates or document were changed.",
    "baa.status-changed": "The account's state under HIPAA changed.",
    "terms.published": "A new version of the terms was published.",
    "terms.acknowledged": "The terms were accepted.",
    "replies.attested": "A mailbox for answers was attested to be the account's own and under its agreement.",
    "replies.withdrawn": "An attestation of a mailbox for answers was withdrawn.",
    # Content and recipients
    "content.edited": "Content of a send was edited.",
    "content.tested": "A test mail with made-up values was sent.",
    "recipients.imported": "Recipients were imported and sealed.",
    "phi.viewed": "Protected values were shown.",
    "phi.unsealed": "Protected values were opened outside of sending.",
    "phi.disclosed": "Messages with protected values were handed over.",
    "phi.exported": "Protected values were exported.",
    "evidence.exported": "Evidence was exported.",
    "support.bundled": "A support bundle was made.",
    # Whom not to write to
    "suppression.added": "An address was added that must not be written to under HIPAA.",
    "suppression.lifted": "Entries that stop mail to addresses were lifted.",
    "suppression.imported": "Addresses not to write to were imported.",
    "suppression.exported": "Addresses not to write to were exported.",
    "authorization.recorded": "Authorizations of people were recorded.",
    "authorization.revoked": "Authorizations of a person were revoked.",
    # Copies of ordinary mail in storage
    "mail.read": "A copy of a mail in storage was read.",
    "mail.downloaded": "A copy of a mail in storage was downloaded.",
    # Approval
    "policy.changed": "The approval policy was changed.",
    "approval.submitted": "A send was submitted for approval.",
    "approval.approved": "A send was approved.",
    "approval.rejected": "A send was rejected.",
    "approval.voided": "An approval became void.",
    "approval.expired": "An approval expired.",
    "approval.started": "An approved send began.",
    "approval.finished": "An approved send ended.",
    "approval.refused": "Somebody tried to approve who may not.",
    "protocol.made": "Sends like an approved one were made routine by a protocol.",
    "protocol.ended": "A protocol of routine sends ended.",
    "stop.ordered": "All sends were stopped.",
    "stop.lifted": "A stop was lifted.",
    "detector.excepted": "A detector's hit was excepted.",
    "detector.exception-ended": "An exception of a detector was taken back.",
    # Sending
    "send.held": "Messages were held.",
    "send.batch-paused": "A send paused: only its first messages may leave, or too much went wrong.",
    "send.batch-released": "The rest of a send was let go after its first messages.",
    "send.resumed": "A send that had paused was let go on.",
    "send.integrity-failed": "A message differed from what was approved, and was not sent.",
    "hipaa.blocked": "A request was refused.",
    # Keys and retention
    "vault.root-added": "A root key was made.",
    "vault.rotated": "Data keys were wrapped under a new root key.",
    "vault.root-retired": "A root key was destroyed.",
    "vault.shredded": "Data keys were destroyed.",
    "retention.purged": "Evidence older than its retention was deleted.",
    # Backups
    "backup.made": "A backup was written.",
    "backup.verified": "The restore of a backup was rehearsed.",
    "backup.restored": "A backup was restored.",
    # Watching over it
    "audit.verified": "The audit trail was verified.",
    "selfcheck.kept": "The installation checked its own safeguards.",
    "audit.reviewed": "The activity of a week was reviewed.",
    "breakglass.opened": "Emergency access was opened.",
    "breakglass.closed": "Emergency access was closed.",
    "breakglass.reviewed": "Emergency access was reviewed.",
    "incident.opened": "An incident was opened.",
    "incident.assessed": "An incident was assessed.",
    "settings.changed": "A setting that protects data was changed.",
}
