"""GET eligibility: for programs, what an account under an agreement may use, and why not."""

from __future__ import annotations

from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from compliance.features import Kind, list_eligibility
from compliance.features.capabilities import Capability
from compliance.features.eligibility import TAGS


@require_safe
def answer_eligibility(request: HttpRequest) -> JsonResponse:  # noqa: ARG001
    """The whole list, the same for everybody: eligible first. `fields` are those of a request to send that belong to it."""
    fields: dict[str, list[str]] = {}
    for name, key in sorted(TAGS[Kind.FIELD].items()):
        fields.setdefault(key, []).append(name)
    listed = [_describe(one, fields.get(one.key, [])) for one in list_eligibility()]
    return JsonResponse({"capabilities": listed})


def _describe(one: Capability, fields: list[str]) -> dict[str, object]:
    known: dict[str, object] = {
        "key": one.key,
        "label": one.label,
        "eligible": one.is_eligible,
        "reason": one.reason,
        "clause": one.clause,
        "fields": fields,
    }
    return known if one.is_eligible else {**known, "code": one.code, "action": one.fix}
