"""Pools: named sets of ways out, and which sending domains leave by which of them."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from campaigns.models.accounts import Account
from campaigns.models.base import Public, Stamped
from campaigns.models.domains import Domain
from campaigns.models.transports import Transport

LOWEST_PRIORITY = 49


class TransportPool(Public, Stamped):
    """A named set of the account's ways out; a request may name the pool its mails leave by."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="transport_pools")
    name = models.CharField(max_length=100)

    class Meta:
        ordering = ["name"]
        verbose_name = "pool"
        constraints = [models.UniqueConstraint(fields=["account", "name"], name="pool_name_once")]

    def __str__(self) -> str:
        return self.name


class PoolMember(Stamped):
    """A way out in a pool; a higher `priority` is used later, among equals the one that was put in first."""

    pool = models.ForeignKey(TransportPool, on_delete=models.CASCADE, related_name="members", db_index=False)
    transport = models.ForeignKey(Transport, on_delete=models.CASCADE, related_name="pool_members")
    priority = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["priority", "id"]
        verbose_name = "place in a pool"
        verbose_name_plural = "places in pools"
        constraints = [models.UniqueConstraint(fields=["pool", "transport"], name="pool_member_once")]

    def __str__(self) -> str:
        return f"{self.transport} in {self.pool}"


class PoolAssignment(Stamped):
    """A domain's mail leaves by this pool; a higher `priority` (0 to 49) is used later, as Infobip has it."""

    domain = models.ForeignKey(Domain, on_delete=models.CASCADE, related_name="pool_assignments", db_index=False)
    pool = models.ForeignKey(TransportPool, on_delete=models.CASCADE, related_name="assignments")
    priority = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["priority", "id"]
        verbose_name = "pool of a domain"
        verbose_name_plural = "pools of domains"
        constraints = [
            models.UniqueConstraint(fields=["domain", "pool"], name="pool_once_per_domain"),
            models.CheckConstraint(condition=Q(priority__lte=LOWEST_PRIORITY), name="pool_priority_range"),
        ]

    def __str__(self) -> str:
        return f"{self.domain} by {self.pool}"
