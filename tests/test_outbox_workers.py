"""Whether the process that holds a claim still lives."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from campaigns.outbox import workers

_ASK = "import sys; from campaigns.outbox import workers; print(workers.is_dead(sys.argv[1]))"
_APART = ["unshare", "--pid", "--fork", "--mount-proc"]


def test_a_name_fits_its_column() -> None:
    assert len(workers.new_worker()) <= 60


def test_a_living_process_is_not_dead_and_one_that_ended_is() -> None:
    assert not workers.is_dead(workers.new_worker())
    ended = subprocess.run(
        [sys.executable, "-c", "from campaigns.outbox import workers; print(workers.new_worker())"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert workers.is_dead(ended.stdout.strip())


@pytest.mark.skipif(
    not shutil.which("unshare") or subprocess.run([*_APART, "true"], capture_output=True, check=False).returncode != 0,
    reason="this machine lets nobody make a process namespace",
)
def test_a_process_of_another_container_with_our_host_name_is_not_for_us_to_call_dead() -> None:
    """Two containers on the network of their machine share its name; each would send again what the other sends."""
    asked = subprocess.run(
        [*_APART, sys.executable, "-c", _ASK, workers.new_worker()], capture_output=True, text=True, check=True
    )
    assert asked.stdout.strip() == "False"
