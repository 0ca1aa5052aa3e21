"""Who would receive a campaign, counted the way the fan-out will write it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection

from campaigns.audiences.suppression import scopes_for
from campaigns.models import Account, Campaign, Purpose

# Conditions on a contact `c` shared by counting and fan-out: two answers to "who gets it" would be worse than either.
# Whoever is on an excluded list stays out, also after unsubscribing from that list.
NOT_EXCLUDED = """
NOT EXISTS (
    SELECT 1 FROM campaigns_subscription e WHERE e.contact_id = c.id AND e.list_id IN ({excluded})
)"""
NOT_SUPPRESSED = """
NOT EXISTS (
    SELECT 1 FROM campaigns_suppression x
    WHERE x.account_id = c.account_id AND x.address_key = c.address_key AND x.scope IN ({scopes})
)"""
# A subscription `s` to a list whose marketing was stopped for this person, by hand or by a contact deleted since.
# A scalar subquery, so that PostgreSQL looks up each person instead of hashing the whole account for every chunk.
_NOT_LEFT = """
(
    SELECT 1 FROM campaigns_contact p
    JOIN campaigns_suppression l ON l.account_id = p.account_id AND l.address_key = p.address_key
    WHERE p.id = s.contact_id AND l.list_id = s.list_id LIMIT 1
) IS NULL"""
_COUNT = """
SELECT count(*), sum(CASE WHEN free THEN 0 ELSE 1 END), sum(CASE WHEN free AND NOT allowed THEN 1 ELSE 0 END)
FROM (
    SELECT {not_excluded} AS free, {not_suppressed} AS allowed
    FROM campaigns_contact c
    WHERE c.account_id = %s AND c.id IN (
        SELECT s.contact_id FROM campaigns_subscription s
        WHERE s.list_id IN ({lists}) AND s.state = 'subscribed' AND {not_left}
    )
) people
"""


@dataclass(frozen=True, slots=True)
class AudienceCount:
    """`on_lists` subscribed people = `excluded` + `suppressed` + `recipients`; each person counts once."""

    on_lists: int
    excluded: int
    suppressed: int

    @property
    def recipients(self) -> int:
        return self.on_lists - self.excluded - self.suppressed


def count_audience(campaign: Campaign) -> AudienceCount:
    """Count the campaign's audience as it is now, in one query."""
    return count_people(
        campaign.account,
        list_ids=list(campaign.lists.values_list("pk", flat=True)),
        excluded_list_ids=list(campaign.excluded_lists.values_list("pk", flat=True)),
        purpose=campaign.purpose,
    )


def count_people(
    account: Account, *, list_ids: Sequence[int], excluded_list_ids: Sequence[int], purpose: str
) -> AudienceCount:
    """Count the subscribers of lists who are in none of the excluded lists and not suppressed for the purpose."""
    sql = _COUNT.format(
        not_excluded=NOT_EXCLUDED.format(excluded=id_list(excluded_list_ids)),
        not_suppressed=NOT_SUPPRESSED.format(scopes=scope_list(purpose)),
        not_left=not_left(purpose),
        lists=id_list(list_ids),
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, [account.pk])
        on_lists, excluded, suppressed = cursor.fetchone()
    return AudienceCount(on_lists or 0, excluded or 0, suppressed or 0)


def id_list(ids: Sequence[int]) -> str:
    """Primary keys for an IN list; NULL matches nothing, as an empty list must."""
    return ", ".join(str(int(pk)) for pk in ids) or "NULL"


def not_left(purpose: str) -> str:
    """The condition on a subscription `s`: transactional mail passes what somebody left (UN-12)."""
    return "1 = 1" if purpose == Purpose.TRANSACTIONAL else _NOT_LEFT


def scope_list(purpose: str) -> str:
    """The suppression scopes that stop mail of this purpose on any list (UN-12)."""
    return ", ".join(f"'{scope}'" for scope in scopes_for(purpose))
