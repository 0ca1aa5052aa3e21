"""POST /email/4/messages and its elder relatives."""

from __future__ import annotations

from ninja import Router

router = Router(tags=["Sending"])
