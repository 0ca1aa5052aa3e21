"""`manage.py run`: the web pages, the worker and SMTP as one."""

from __future__ import annotations

import os
import re
import signal
import socket
import urllib.request
from pathlib import Path

import pytest
from django.contrib.auth import authenticate
from django_q.conf import Conf

from campaigns import jobs
from tests.processes import free_port, is_alive, processes_below, start_command, wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]


def is_answering(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/admin/login/", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def is_greeting(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
            return client.recv(4) == b"220 "
    except OSError:
        return False


def test_one_command_serves_pages_jobs_and_smtp_and_stops_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Conf, "SYNC", False)
    port, smtp_port = free_port(), free_port()
    monkeypatch.setenv("SMTP_PLAIN_PORT", str(smtp_port))
    with start_command("run", "--port", str(port), log=tmp_path / "log") as process:
        assert wait_until(lambda: is_answering(port), seconds=90), (tmp_path / "log").read_text()
        jobs.ring("tests.sample_jobs.leave_mark", 0)
        assert wait_until((Path(os.environ["VAR_DIR"]) / "job-0").exists)
        assert wait_until(lambda: is_greeting(smtp_port))
        family = processes_below(process.pid)
        os.killpg(process.pid, signal.SIGTERM)
        assert process.wait(timeout=60) == 0
    assert not [pid for pid in family if is_alive(pid)]
    assert not is_answering(port)


def test_the_first_login_is_shown_once_and_works(tmp_path: Path) -> None:
    log = tmp_path / "log"
    for _ in range(2):
        port = free_port()
        with start_command("run", "--no-worker", "--port", str(port), log=log) as process:
            assert wait_until(lambda: f"http://127.0.0.1:{port}/admin/" in log.read_text(), seconds=90)  # noqa: B023
            process.terminate()
            process.wait(timeout=60)
    (password,) = re.findall(r"password (\S+)", log.read_text())
    assert authenticate(username="admin", password=password) is not None


def test_a_taken_port_stops_everything_with_a_reason(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with start_command("run", "--port", str(taken.getsockname()[1]), log=tmp_path / "log") as process:
            assert process.wait(timeout=90) == 1
    assert "The web ended by itself" in (tmp_path / "log").read_text()
