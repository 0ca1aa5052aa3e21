"""The rules, one noun per file; importing this package registers them. Pure: no Django, no clock, no settings."""

from compliance.rules import attachments, content, hipaa, message, recipient, sender

__all__ = ["attachments", "content", "hipaa", "message", "recipient", "sender"]
