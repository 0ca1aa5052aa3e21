"""GET eligibility: for programs, what an account under an agreement may use, and why not."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from campaigns.accounts.presented import find_remote
from campaigns.api.envelopes import refuse
from campaigns.errors import CampaignError
from compliance.api.allow import require_network, require_tls
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


@require_safe
def answer_at_hipaa_host(request: HttpRequest) -> HttpResponse:
    """The same list where programs of the HIPAA lane are: over TLS and from their networks, and without a key.

    A program may ask before it has one; what the list says is public.
    """
    remote = find_remote(request.META, behind_proxy=settings.BEHIND_PROXY)
    try:
        require_tls(request, remote=remote)
        require_network(remote)
    except CampaignError as error:
        return refuse(request, error.status, text=error.safe_text, action=error.action, code=error.code)
    return answer_eligibility(request)


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
