"""Doors that break: the exception, its traceback, the page and the log must not know what went in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db import DatabaseError, connection
from django.utils import timezone

from campaigns.accounts import sessions
from campaigns.models import Role
from compliance.sweep.doors import door, sender_of
from compliance.sweep.stage import Stage


@door("The database fails and quotes what it was given")
def _database_quotes(stage: Stage) -> None:
    """As PostgreSQL does when a row breaks a constraint: whatever reaches a statement would stand in the log."""
    author, operator = stage.client(Role.AUTHOR), stage.client(Role.OPERATOR)
    session = author.session
    session["seen_at"] = int((timezone.now() - sessions.IDLE - timedelta(seconds=5)).timestamp())
    session.save()
    opened = {"account": stage.clinic.pk, "reason": f"The patient {stage.canary.name} must get a letter today."}
    to = {"destination": "ordinary@example.com", "placeholders": {"name": stage.canary.name}}
    content = {"subject": "Hello {{name}}", "text": stage.canary.word}
    message = {"sender": sender_of(stage.shop), "destinations": [{"to": [to]}], "content": content}
    with connection.execute_wrapper(_quote):
        answers = {
            "draft": author.post("/admin/campaigns/emailtemplate/add/", {"name": stage.canary.name}),
            "emergency": operator.post("/admin/compliance/emergencyaccess/add/", opened),
            "api": stage.call("/email/4/messages", {"messages": [message]}, key="shop"),
        }
    for name, answer in answers.items():
        assert answer.status_code >= 500, name
        stage.note(f"broken {name}", answer)


def _quote(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
    if sql.lstrip().upper().startswith(("INSERT", "UPDATE")) and ("campaigns_" in sql or "compliance_" in sql):
        shown = [bytes(value) if isinstance(value, memoryview) else value for value in params or ()]
        raise DatabaseError(f"{sql}: {shown!r}")
    return execute(sql, params, many, context)
