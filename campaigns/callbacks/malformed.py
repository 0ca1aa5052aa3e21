"""Why a callback is not taken."""

from __future__ import annotations


class Malformed(Exception):
    """It is not what this provider sends, or its signature is not this provider's."""


class NotReady(Exception):
    """Its signature cannot be checked until an operator enters the signing key."""
