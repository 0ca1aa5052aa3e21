"""The web server as people run it: what was opened a moment before it is told to stop is written down."""

from __future__ import annotations

import http.client
from pathlib import Path

from tests.installation import installed, wait_until
from tests.processes import free_port
from tests.tracked import DESK

PREPARE = """
from django.utils import timezone
from campaigns import tokens
from campaigns.accounts.creation import create_account
from campaigns.models import Submission
account = create_account(name="Garden", slug="garden", postal_address="1 Main St", time_zone="UTC")
now = timezone.now()
submission = Submission.objects.create(
    account=account, door="campaign", purpose="marketing", transport=account.transports.get(), send_at=now, valid_until=now
)
print("TOKEN", tokens.visit_token(tokens.VisitClaim(submission.pk)))
"""
COUNTED = "SELECT coalesce(sum(hits), 0) FROM campaigns_hitcount WHERE split = 'total'"


def test_hits_that_wait_are_written_when_the_server_stops(tmp_path: Path) -> None:
    port = free_port()
    with installed(tmp_path) as place:
        token = place.python(PREPARE).partition("TOKEN ")[2].strip()
        # So long that only stopping can be what wrote them.
        place.environment["TRACKING_FLUSH_MS"] = "10000"
        with place.running("run", "--no-worker", "--port", str(port)):
            wait_until(lambda: answers(port, "/healthz"), seconds=120)
            assert all(answers(port, f"/o/{token}.gif") for _ in range(3))
        assert place.query(COUNTED) == 3


def answers(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path, headers={"User-Agent": DESK})
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
