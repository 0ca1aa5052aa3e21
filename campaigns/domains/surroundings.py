"""A look at the records that make mail arrive better: SPF, servers for what comes back, the host of links, offers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from django.conf import settings

from campaigns.domains import dmarc, expected, hosts, offers
from campaigns.domains.judging import TEMPORARY, Judgement
from campaigns.domains.lookup import Dns
from campaigns.domains.spf_judging import judge_spf
from campaigns.models import Domain


def look_around(domain: Domain, *, dns: Dns) -> dict[str, Judgement]:
    """Judgements by record; nothing here decides whether the domain is verified."""
    bounce, ours = expected.bounce_host(domain), settings.INBOUND_HOST
    looks: dict[str, Callable[[], Judgement | None]] = {
        expected.SPF: lambda: _look_at_spf(domain, bounce, dns),
        expected.INBOUND_MX: lambda: hosts.judge_answers(host=domain.name, target=ours, dns=dns),
    }
    if domain.return_path:
        looks[expected.RETURN_MX] = lambda: hosts.judge_return_mail(host=bounce, target=ours, dns=dns)
    target = expected.public_host()
    if domain.tracking_host and target:
        looks[expected.TRACKING] = lambda: hosts.judge_tracking(host=domain.tracking_host, target=target, dns=dns)
    found = {record: look() or TEMPORARY for record, look in looks.items()}
    return {**found, **_look_at_offers(domain, bounce, dns)}


def _look_at_spf(domain: Domain, bounce: str, dns: Dns) -> Judgement | None:
    judgement = judge_spf(host=bounce, wanted=expected.wanted_terms(domain), is_shared=bounce == domain.name, dns=dns)
    if judgement is None or not judgement.ok or bounce == domain.name:
        return judgement
    sender, path = dmarc.walk(domain.name, dns=dns), dmarc.walk(bounce, dns=dns)
    strict = bool(sender.applied and sender.applied.tags.get("aspf", "r").lower() == "s")
    if dmarc.is_aligned(sender, path, strict=strict) is not False:
        return judgement
    why = "aspf=s asks for the very same domain" if strict else "they are not of one organisation"
    return replace(
        judgement,
        code="spf.not-aligned",
        text=f"SPF passes for {bounce}, but does not speak for {domain.name}: {why}. DMARC then rests on the signature alone.",
    )


def _look_at_offers(domain: Domain, bounce: str, dns: Dns) -> dict[str, Judgement]:
    """Only those somebody published: an offer that is not taken is no fault."""
    walk = dmarc.walk(domain.name, dns=dns)
    found = {
        expected.MTA_STS: offers.judge_mta_sts(domain=bounce, dns=dns),
        expected.TLS_RPT: offers.judge_tls_reports(domain=bounce, dns=dns),
        expected.BIMI: offers.judge_bimi(domain=domain.name, walk=walk, dns=dns),
    }
    return {record: judgement for record, judgement in found.items() if judgement is not None}
