"""Landing pages: the words of an account's unsubscribe pages, of which a campaign or a request may choose one."""

from __future__ import annotations

from django.db import models

from campaigns.models.accounts import Account, Language
from campaigns.models.base import Public, Stamped


class LandingPage(Public, Stamped):
    """What the unsubscribe link of a mail opens where its campaign or request names it; empty words are the usual ones.

    `heading` and `text` may hold {{ names }} that a request gives as landing page placeholders.
    """

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="landing_pages", db_index=False)
    name = models.CharField(max_length=120)
    language = models.CharField(max_length=2, choices=Language, default=Language.ENGLISH)
    heading = models.CharField(max_length=120, blank=True, default="")
    text = models.CharField(max_length=1000, blank=True, default="")
    button = models.CharField(max_length=60, blank=True, default="")

    class Meta:
        ordering = ["name"]
        verbose_name = "unsubscribe page"
        constraints = [models.UniqueConstraint(fields=["account", "name"], name="landing_page_name_once")]

    def __str__(self) -> str:
        return self.name
