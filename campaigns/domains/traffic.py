"""How much of a domain's mail came back or was called spam lately, by the mailbox provider it went to (MP-05)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.db import connection

from campaigns.models import Domain

PERIOD = timedelta(days=30)


class Provider(StrEnum):
    """Who runs the mailboxes; what none of the known ones runs is `others`."""

    GMAIL = "Gmail"
    MICROSOFT = "Microsoft"
    YAHOO = "Yahoo"
    APPLE = "Apple"
    OTHERS = "Others"


# Names of recipient domains; % stands for anything. Companies' own domains at these providers count as others.
_NAMES: dict[Provider, tuple[str, ...]] = {
    Provider.GMAIL: ("gmail.com", "googlemail.com"),
    Provider.MICROSOFT: ("outlook.%", "hotmail.%", "live.%", "msn.com", "passport.com", "windowslive.com"),
    Provider.YAHOO: ("yahoo.%", "ymail.com", "myyahoo.com", "rocketmail.com", "aol.%", "aim.com"),
    Provider.APPLE: ("icloud.com", "me.com", "mac.com"),
}

# First by recipient domain and then by provider: names are compared once for each domain, not for each mail. Complaints
# are few and found by their partial index; joining them to every mail would double the time. What the sandbox kept went
# to nobody.
_TRAFFIC = """
WITH recent AS (
    SELECT submission.id
    FROM campaigns_submission AS submission
    JOIN campaigns_sender AS sender ON sender.id = submission.sender_id
    JOIN campaigns_transport AS transport ON transport.id = submission.transport_id
    WHERE sender.domain_id = %s AND submission.send_at > %s AND transport.kind <> 'sandbox'
)
SELECT CASE {cases} ELSE %s END AS provider, SUM(mails), SUM(bounced), SUM(complained)
FROM (
    SELECT recipient_domain AS name,
        COUNT(*) AS mails, COUNT(CASE WHEN state = 'bounced' THEN 1 END) AS bounced, 0 AS complained
    FROM campaigns_message
    WHERE state IN ('sent', 'delivered', 'bounced') AND submission_id IN (SELECT id FROM recent)
    GROUP BY recipient_domain
    UNION ALL
    SELECT message.recipient_domain, 0, 0, COUNT(DISTINCT message.id)
    FROM campaigns_event AS event
    JOIN campaigns_message AS message ON message.id = event.message_id
    WHERE event.kind = 'complained' AND event.at > %s AND message.state IN ('sent', 'delivered')
        AND message.submission_id IN (SELECT id FROM recent)
    GROUP BY message.recipient_domain
) AS by_domain
GROUP BY 1
"""


@dataclass(frozen=True, slots=True)
class Share:
    """Mails to one provider: how many left, came back, and were called spam."""

    provider: Provider
    mails: int
    bounced: int
    complained: int

    @property
    def arrived(self) -> int:
        return self.mails - self.bounced

    @property
    def bounce_percent(self) -> float:
        return 100 * self.bounced / self.mails if self.mails else 0.0

    @property
    def complaint_percent(self) -> float:
        return 100 * self.complained / self.arrived if self.arrived else 0.0


def measure_traffic(domain: Domain, *, now: datetime) -> list[Share]:
    """The mail of campaigns that began within the period, in the order of Provider; none for who got no mail."""
    since = connection.ops.adapt_datetimefield_value(now - PERIOD)
    cases, names = [], list[str]()
    for provider, patterns in _NAMES.items():
        cases.append(f"WHEN {' OR '.join(['name LIKE %s'] * len(patterns))} THEN %s")
        names += [*patterns, provider.value]
    with connection.cursor() as cursor:
        cursor.execute(_TRAFFIC.format(cases=" ".join(cases)), [domain.pk, since, *names, Provider.OTHERS.value, since])
        rows = {row[0]: [int(number) for number in row[1:]] for row in cursor.fetchall()}
    return [Share(provider, *rows[provider.value]) for provider in Provider if provider.value in rows]


def add_up(shares: list[Share]) -> Share:
    """All providers together."""
    return Share(
        Provider.OTHERS,
        sum(share.mails for share in shares),
        sum(share.bounced for share in shares),
        sum(share.complained for share in shares),
    )
