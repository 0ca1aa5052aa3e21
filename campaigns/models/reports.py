"""What mailbox providers report about a domain: who sent in its name, and whether mail to it was encrypted."""

from __future__ import annotations

from django.db import models

from campaigns.models.base import Stamped
from campaigns.models.domains import Domain


class ReportKind(models.TextChoices):
    DMARC = "dmarc", "DMARC"
    TLS = "tls", "TLS"


class DomainReport(Stamped):
    """One report as it came; `key` is the fingerprint of its sender and id, so that a copy changes nothing."""

    domain = models.ForeignKey(Domain, on_delete=models.CASCADE, related_name="reports")
    kind = models.CharField(max_length=5, choices=ReportKind)
    reporter = models.CharField(max_length=120)
    key = models.CharField(max_length=64, editable=False)
    begins_at = models.DateTimeField()
    ends_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["domain", "key"], name="report_once_per_domain")]
        indexes = [models.Index(fields=["ends_at"], name="report_age")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} report of {self.reporter}"


class DmarcCount(models.Model):
    """How many mails of a day came from one address in the domain's name, and how they were judged (RFC 9990).

    `day` and `domain` repeat what the report says: charts read only this table.
    """

    report = models.ForeignKey(DomainReport, on_delete=models.CASCADE, related_name="dmarc_counts")
    domain = models.ForeignKey(Domain, on_delete=models.CASCADE, related_name="+", db_index=False)
    day = models.DateField()
    source_ip = models.GenericIPAddressField()
    disposition = models.CharField(max_length=10)
    dkim_aligned = models.BooleanField()
    spf_aligned = models.BooleanField()
    count = models.PositiveBigIntegerField()

    class Meta:
        indexes = [models.Index(fields=["domain", "day"], name="dmarc_by_day")]

    def __str__(self) -> str:
        return f"{self.count} on {self.day}"


class TlsCount(models.Model):
    """How many connections of a day to the domain's mail servers were encrypted, or why not (RFC 8460).

    `result` is empty for those that were, else the report's own word, such as `certificate-expired`.
    """

    report = models.ForeignKey(DomainReport, on_delete=models.CASCADE, related_name="tls_counts")
    domain = models.ForeignKey(Domain, on_delete=models.CASCADE, related_name="+", db_index=False)
    day = models.DateField()
    policy = models.CharField(max_length=20)
    result = models.CharField(max_length=40, blank=True)
    count = models.PositiveBigIntegerField()

    class Meta:
        indexes = [models.Index(fields=["domain", "day"], name="tls_by_day")]

    def __str__(self) -> str:
        return f"{self.count} on {self.day}"
