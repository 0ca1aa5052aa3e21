"""The official Python client 5.1.1, still in use everywhere: the multipart form of POST /email/3/send (infobip.md §7.3)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django_q.conf import Conf
from pytest_django.live_server_helper import LiveServer

from tests.api import Program, text_of

ROOT = Path(__file__).resolve().parent.parent
CLIENT = ROOT / ".cache" / "sdk5"

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not (CLIENT / "infobip_api_client").is_dir(), reason="needs the client: make sdk5"),
]


@pytest.fixture(autouse=True)
def _quiet_bell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Conf, "SYNC", False)


def test_the_client_sends_plans_and_follows(live_server: LiveServer, tmp_path: Path) -> None:
    """§9 item 2: plain and JSON recipients, two attachments, capitalised booleans, a time with a colon in its offset."""
    program = Program()
    file = tmp_path / "report.txt"
    file.write_text("From a file.")
    given = {
        "url": live_server.url.replace("localhost", "127.0.0.1"),
        "key": program.secret,
        "sender": program.sender,
        "file": str(file),
    }
    answer = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "sdk5" / "use.py")],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        timeout=60,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(CLIENT)},
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    names = ("plain", "alice", "cc", "bcc")
    told = json.loads(answer.stdout)
    ids = [entry[1] for entry in told["sent"]]
    assert told == {
        "version": "5.1.1",
        "sent": [[f"{name}@example.com", ids[place], "PENDING_ACCEPTED"] for place, name in enumerate(names)],
        "planned": True,
        "status": "PENDING",
        "logs": sorted(f"{name}@example.com" for name in names),
        "reports": 0,
        "refused": "BAD_REQUEST",
    }
    assert ids[0] == "m-1"
    mail = {str(mail["to"]): mail for mail in program.work()}["alice@example.com"]
    assert (mail["subject"], mail["reply-to"], mail["x-c"]) == ("Hi Alice", "r@example.com", "v")
    assert "<p>Alice x</p>" in text_of(mail, "html")
    files = {part.get_filename(): part.get_payload(decode=True) for part in mail.iter_attachments()}
    assert files == {"attachment.txt": b"hello-bytes", "report.txt": b"From a file."}
