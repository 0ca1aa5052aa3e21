"""`manage.py worker`: real processes, real signals."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command
from django_q.conf import Conf
from django_q.models import Schedule, Task

from campaigns import jobs
from campaigns.management import schedules
from tests.processes import is_alive, processes_below, start_command, wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(400)]

_numbers = count(1)
# A worker that shows a sign of life every half second instead of every ten: that it misses fifteen of them is no matter of
# a machine that stands still for a moment.
LIVELY = """
from campaigns import jobs
from django.core.management import call_command
jobs._BEAT_EVERY = 0.5
call_command("worker", "--workers", "1", "--stale-after", "15")
"""


@pytest.fixture(autouse=True)
def _real_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Conf, "SYNC", False)


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    with start_command("worker", log=tmp_path / "log") as process:
        yield process


def ring(job: str) -> int:
    number = next(_numbers)
    jobs.ring(f"tests.sample_jobs.{job}", number)
    return number


def is_done(number: int) -> bool:
    return wait_until((settings.VAR_DIR / f"job-{number}").exists)


def signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    os.killpg(process.pid, number)


def test_a_job_that_was_rung_is_done(worker: subprocess.Popen[bytes]) -> None:
    assert is_done(ring("leave_mark"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_worker_stops_within_seconds_when_its_whole_group_is_told(tmp_path: Path, number: signal.Signals) -> None:
    for _ in range(2):
        with start_command("worker", log=tmp_path / "log") as process:
            assert is_done(ring("leave_mark"))
            family = processes_below(process.pid)
            signal_group(process, number)
            assert process.wait(timeout=60) == 0
            assert not [pid for pid in family if is_alive(pid)]


def test_a_worker_told_to_stop_while_it_starts_stops(tmp_path: Path) -> None:
    with start_command("worker", log=tmp_path / "log") as process:
        assert wait_until(lambda: b"is up" in (tmp_path / "log").read_bytes())
        signal_group(process, signal.SIGTERM)
        assert process.wait(timeout=60) == 0


def test_a_running_job_is_finished_before_the_worker_stops(worker: subprocess.Popen[bytes]) -> None:
    number = ring("work_slowly")
    assert wait_until((settings.VAR_DIR / f"begun-{number}").exists)
    signal_group(worker, signal.SIGTERM)
    assert worker.wait(timeout=60) == 0
    assert (settings.VAR_DIR / f"job-{number}").exists()


def test_jobs_go_on_after_a_process_of_the_cluster_was_killed(worker: subprocess.Popen[bytes]) -> None:
    assert is_done(ring("leave_mark"))
    (sentinel,) = (pid for pid in processes_below(worker.pid) if processes_below(pid))
    os.kill(max(processes_below(sentinel)), signal.SIGKILL)
    # A job rung into the queue of the dead may be lost on Redis; the sweep is there for that.
    assert wait_until(lambda: not is_alive(sentinel))
    assert is_done(ring("leave_mark"))


def test_jobs_go_on_after_a_process_of_the_cluster_stood_still(tmp_path: Path) -> None:
    """Alive and doing nothing, with the lock of the queue in its hands: nobody else ever gets a job."""
    # One process does the jobs in their order: with the mark left, those of the start are over. A cluster that stands
    # still in the middle of a job is given that job's time, which is not what this is about.
    with start_command("worker", "--workers", "1", "--stale-after", "20", log=tmp_path / "log") as worker:
        assert wait_until(lambda: b"is up" in (tmp_path / "log").read_bytes())
        assert is_done(ring("leave_mark"))
        (sentinel,) = (pid for pid in processes_below(worker.pid) if processes_below(pid))
        for pid in processes_below(sentinel):
            os.kill(pid, signal.SIGSTOP)
        assert wait_until(lambda: not is_alive(sentinel))
        assert is_done(ring("leave_mark"))
        assert b"no sign of life" in (tmp_path / "log").read_bytes()


def test_an_idle_worker_is_left_alone_and_a_long_job_too(tmp_path: Path) -> None:
    with start_command("shell", "--no-imports", "-c", LIVELY, log=tmp_path / "log") as worker:
        assert is_done(ring("leave_mark"))
        family = processes_below(worker.pid)
        time.sleep(17)
        number = ring("work_long")
        assert wait_until((settings.VAR_DIR / f"job-{number}").exists)
        assert processes_below(worker.pid) == family


def test_no_process_outlives_a_killed_worker(worker: subprocess.Popen[bytes]) -> None:
    assert is_done(ring("leave_mark"))
    family = processes_below(worker.pid)
    worker.kill()
    assert wait_until(lambda: not any(is_alive(pid) for pid in family))


def test_the_stored_reason_of_a_failed_job_names_no_address(worker: subprocess.Popen[bytes], tmp_path: Path) -> None:
    ring("fail_with_an_address")
    assert wait_until(Task.objects.filter(success=False).exists)
    assert "[address]" in Task.objects.get(success=False).result
    signal_group(worker, signal.SIGTERM)
    worker.wait(timeout=60)
    log = (tmp_path / "log").read_text()
    assert "Failed" in log
    assert "@example.com" not in log + Task.objects.get(success=False).result


def test_the_number_of_processes_can_be_chosen(tmp_path: Path) -> None:
    with start_command("worker", "--workers", "3", log=tmp_path / "log") as process:
        # The sentinel, three workers, the monitor and the pusher.
        assert wait_until(lambda: len(processes_below(process.pid)) == 6)


def test_schedules_follow_the_table_in_code() -> None:
    Schedule.objects.create(func="campaigns.tasks.gone", name="gone", schedule_type=Schedule.MINUTES, minutes=5)
    call_command("sync_schedules")
    call_command("sync_schedules")
    assert sorted(Schedule.objects.values_list("name", flat=True)) == sorted(e.name for e in schedules.SCHEDULES)
