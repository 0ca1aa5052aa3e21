"""Records nobody must publish: encrypted mail to us (MTA-STS, TLS-RPT) and the logo (BIMI). Judged only where they are."""

from __future__ import annotations

import hashlib
import re

from campaigns.domains.dmarc import Walk
from campaigns.domains.judging import Judgement
from campaigns.domains.lookup import Answer, Dns

_WEB = re.compile(r"https://[^\s;,]+", re.IGNORECASE)


def mta_sts_policy(servers: list[str]) -> str:
    """The file to serve at https://mta-sts.DOMAIN/.well-known/mta-sts.txt (RFC 8461 §3.2), in testing mode."""
    lines = ["version: STSv1", "mode: testing", *(f"mx: {name}" for name in servers), "max_age: 604800"]
    return "".join(f"{line}\r\n" for line in lines)


def mta_sts_value(servers: list[str]) -> str:
    """The record that announces the file; its id changes with the file."""
    return f"v=STSv1; id={hashlib.sha256(mta_sts_policy(servers).encode()).hexdigest()[:16]}"


def judge_mta_sts(*, domain: str, dns: Dns) -> Judgement | None:
    """The announcement and the host of the file; None when there is none, or no answer."""
    answer = dns.texts(f"_mta-sts.{domain}")
    found = [text for text in answer.values if text.lower().startswith("v=stsv1")]
    if not found:
        return None
    seen = "\n".join(found)
    if len(found) > 1:
        return Judgement(
            False, "mta-sts.several-records", "There are several records; senders take none of them.", seen
        )
    if not re.fullmatch(r"v=STSv1\s*;\s*id=[a-zA-Z0-9]{1,32}\s*;?", found[0]):
        return Judgement(False, "mta-sts.malformed", "The record has to be v=STSv1; id= and letters or digits.", seen)
    host = dns.addresses(f"mta-sts.{domain}")
    if not host.values and not host.is_temporary:
        return Judgement(
            False, "mta-sts.no-host", f"mta-sts.{domain} has no address, so senders cannot read the policy file.", seen
        )
    return Judgement(True, "mta-sts.ok", "Senders are told to encrypt. Change the id whenever you change the file.")


def judge_tls_reports(*, domain: str, dns: Dns) -> Judgement | None:
    """Where senders report failed encryption (RFC 8460 §3); None when nobody asks for it, or no answer."""
    answer = dns.texts(f"_smtp._tls.{domain}")
    found = [text for text in answer.values if text.lower().startswith("v=tlsrptv1")]
    if not found:
        return None
    seen = "\n".join(found)
    if len(found) > 1:
        return Judgement(
            False, "tls-rpt.several-records", "There are several records; senders take none of them.", seen
        )
    if not re.fullmatch(
        r"v=TLSRPTv1\s*;\s*rua=(?:mailto:[^\s@,;]+@[^\s,;]+|https://[^\s,;]+)(?:\s*,\s*\S+)*\s*;?", found[0]
    ):
        return Judgement(
            False, "tls-rpt.malformed", "The record has to be v=TLSRPTv1; rua=mailto: and an address.", seen
        )
    return Judgement(True, "tls-rpt.ok", "Senders report when mail to you could not be encrypted.")


def judge_bimi(*, domain: str, walk: Walk, dns: Dns) -> Judgement | None:
    """The logo's record with what it needs from DMARC (BI-01); None when there is none, or no answer."""
    answer = dns.texts(f"default._bimi.{domain}")
    found = [text for text in answer.values if re.match(r"v\s*=\s*bimi1", text, re.IGNORECASE)]
    if not found or walk.temporary:
        return None
    seen = "\n".join(found)
    if len(found) > 1:
        return Judgement(False, "bimi.several-records", "There are several records; mailboxes show no logo then.", seen)
    logo = re.search(r"(?:^|;)\s*l\s*=\s*([^;]*)", found[0])
    if logo and not logo[1].strip():
        return Judgement(True, "bimi.declined", "The record says that no logo is to be shown.", seen)
    if not logo or not _WEB.fullmatch(logo[1].strip()):
        return Judgement(
            False, "bimi.malformed", "The record has to hold l= with an https:// address of the logo.", seen
        )
    wants = bimi_needs(walk)
    if wants:
        return Judgement(False, "bimi.dmarc-too-soft", wants[0], seen)
    return Judgement(True, "bimi.ok", "The logo is announced. Most mailboxes also want a certificate for it (a=).")


def bimi_needs(walk: Walk) -> list[str]:
    """What DMARC lacks for a logo, each as a sentence."""
    record = walk.applied
    if record is None and walk.temporary:
        return ["DNS did not answer; try again later."]
    if record is None:
        return ["A logo needs DMARC first: publish its record."]
    needs = []
    if record.policy not in {"quarantine", "reject"}:
        needs.append(
            f"DMARC at {record.domain} must say p=quarantine or p=reject; it says {record.policy or 'nothing'}."
        )
    if record.subdomain_policy == "none" and record.policy != "none":
        needs.append("DMARC must not say sp=none: subdomains have to be protected too.")
    if record.tags.get("t", "n").lower() == "y":
        needs.append("DMARC must not be in testing mode (t=y).")
    # Gone since RFC 9989, but the mailboxes that show logos still read it.
    if record.tags.get("pct", "100") != "100":
        needs.append("DMARC must hold for all mail: take out pct=.")
    return needs


def servers_of(answer: Answer) -> list[str]:
    """The names in an answer about mail servers."""
    return [name for value in answer.values if (name := value.partition(" ")[2])]
