"""Jobs for the worker's tests: they leave files behind, since they run in other processes."""

import time

from django.conf import settings


def leave_mark(number: int) -> None:
    (settings.VAR_DIR / f"job-{number}").touch()


def work_slowly(number: int) -> None:
    (settings.VAR_DIR / f"begun-{number}").touch()
    time.sleep(3)
    leave_mark(number)


def work_long(number: int) -> None:
    time.sleep(18)
    leave_mark(number)


def fail_with_an_address(number: int) -> None:
    raise ValueError(f"Key (email)=(ada{number}@example.com) already exists.")
