"""The demonstration, run as a newcomer runs it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.installation import Installation, installed

LINE = re.compile(
    r"DEMO imported=(\d+) rejected=(\d+) duplicates=(\d+) sent=(\d+) refused=(\d+) unsubscribed=(\d+) lost=(\d+)"
)
REPORT = re.compile(r"manage\.py campaign_report (\S+) (\S+) --json")
# Looked at inside the installation, so that the mails need not travel.
INSPECT = """
import json, zlib
from email import message_from_bytes, policy
from campaigns.models import SandboxMail
faults, mails = [], 0
for raw in SandboxMail.objects.values_list("raw", flat=True).iterator(chunk_size=500):
    data = zlib.decompress(bytes(raw))
    mail = message_from_bytes(data, policy=policy.default)
    mails += 1
    found = [defect for part in mail.walk() for defect in part.defects]
    found += [defect for header in mail.values() for defect in header.defects]
    bare = data.replace(b"\\r\\n", b"")
    long = max(map(len, data.split(b"\\r\\n")))
    if found or not data.isascii() or any(byte in bare for byte in b"\\r\\n\\0") or long > 998:
        faults.append(repr(found))
    if len(mail.get_all("List-Unsubscribe")) != 1 or not mail["List-Unsubscribe"].startswith("<http"):
        faults.append("unsubscribe")
print("INSPECTED", json.dumps([mails, faults[:5]]))
"""


@pytest.mark.timeout(600)  # whole processes start and work
def test_the_demo_sends_twice_and_every_figure_adds_up(tmp_path: Path) -> None:
    with installed(tmp_path, migrated=False) as installation:
        printed = installation.manage("demo", "--workers", "2")
        last = printed.strip().splitlines()[-1]
        found = LINE.fullmatch(last)
        assert found, last
        imported, rejected, _duplicates, sent, refused, unsubscribed, lost = map(int, found.groups())
        assert imported > 500
        assert rejected > 0
        assert (unsubscribed, lost) == (30, 0)
        reports = [installation.report(*place) for place in REPORT.findall(printed)]
        assert [report["lost"] for report in reports] == [0, 0]
        assert sum(report["sent"] for report in reports) == sent
        assert sum(report["refused"] for report in reports) == refused
        assert sum(report["unsubscribed"] for report in reports) == unsubscribed
        check_mails(installation, sent=sent)


def check_mails(installation: Installation, *, sent: int) -> None:
    """MF-01, MF-04, MF-05, MF-06: every mail in the sandbox parses without defects and is fit for the wire."""
    line = next(line for line in installation.python(INSPECT).splitlines() if line.startswith("INSPECTED"))
    mails, faults = json.loads(line.removeprefix("INSPECTED "))
    assert faults == []
    assert mails == sent
