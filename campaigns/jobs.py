"""Background jobs: the only module that knows django-q2.

The queue rings the bell and the database is the truth: a job may be lost or run twice, and a sweep finds
what the bell missed. Arguments are primary keys only; they lie in the broker as readable pickles.
"""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import queue
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.context import ForkProcess
from multiprocessing.synchronize import Event
from uuid import uuid4

from django.db import connections, transaction
from django.dispatch import receiver
from django.utils import timezone
from django_q.brokers import get_broker
from django_q.cluster import Sentinel
from django_q.conf import Conf
from django_q.models import OrmQ, Schedule
from django_q.signals import post_execute, post_execute_in_worker, pre_execute
from django_q.signing import SignedPackage
from django_q.tasks import async_task

from campaigns import addresses

log = logging.getLogger(__name__)

# Forked processes share the loaded program; they are also the only ones django-q2 is tried with.
_fork = multiprocessing.get_context("fork")


@dataclass(frozen=True, slots=True)
class Every:
    """A job without arguments that runs every so many minutes; `job` is its dotted path."""

    name: str
    job: str
    minutes: int


def ring(job: str, *keys: int, times: int = 1) -> None:
    """Run the job (dotted path) with these primary keys soon after the current transaction commits.

    So many bells wait then, and no more: one that nobody has heard yet does for all that were rung since.
    """

    def enqueue() -> None:
        _enqueue(job, keys, times)

    # A function, never a partial: Django logs the name of a hook that failed, and a partial has none.
    transaction.on_commit(enqueue, robust=True)


def _enqueue(job: str, keys: tuple[int, ...], times: int) -> None:
    for _ in range(times - _count_waiting(job, keys)):
        async_task(job, *keys, task_name=job.rpartition(".")[2])


def _count_waiting(job: str, keys: tuple[int, ...]) -> int:
    broker = get_broker()
    if Conf.ORM:
        waiting = OrmQ.objects.using(Conf.ORM).filter(key=broker.list_key, lock__lte=timezone.now())
        packages = list(waiting.values_list("payload", flat=True))
    else:
        packages = [package.decode("ascii") for package in broker.connection.lrange(broker.list_key, 0, -1)]
    rung = [SignedPackage.loads(package) for package in packages]
    return sum(bell["func"] == job and tuple(bell["args"]) == keys for bell in rung)


def sync_schedules(table: Sequence[Every]) -> tuple[int, int]:
    """Make the stored schedules equal the table; returns (kept, removed)."""
    for entry in table:
        Schedule.objects.update_or_create(
            name=entry.name,
            defaults={"func": entry.job, "schedule_type": Schedule.MINUTES, "minutes": entry.minutes, "repeats": -1},
            create_defaults={
                "func": entry.job,
                "schedule_type": Schedule.MINUTES,
                "minutes": entry.minutes,
                "repeats": -1,
                "next_run": timezone.now(),
            },
        )
    removed, _ = Schedule.objects.exclude(name__in=[entry.name for entry in table]).delete()
    return len(table), removed


@receiver(post_execute_in_worker)
def _mask_failure(task: dict[str, object], **_: object) -> None:
    """Keep addresses out of the stored result of a failed job: a database error quotes the row it refused."""
    if "result" in task and not task.get("success"):
        task["result"] = addresses.redact(str(task["result"]))


# When a cluster last showed a sign of life, in seconds of the monotonic clock all processes of a machine share; ahead of
# it while a job may run. Without a lock: a process that is killed would keep it.
_sign_of_life = _fork.Value("d", 0.0, lock=False)
_BEAT_EVERY = 10.0  # seconds
STALE_AFTER = 120.0


def _beat() -> None:
    """A job that does nothing: that it comes through shows that the queues between the processes still move."""


@receiver(pre_execute)
def _note_busy(**_: object) -> None:
    # Nobody may be idle to answer the next beat until this job is over or is ended for lasting too long.
    _sign_of_life.value = time.monotonic() + Conf.TIMEOUT


@receiver(post_execute)
def _note_life(**_: object) -> None:
    _sign_of_life.value = time.monotonic()


# Set for ever once the processes of this cluster are to end; inherited by the workers.
_stop_event: Event | None = None


def is_stopping() -> bool:
    """True in a job whose worker is asked to stop: a long job ends at its next safe point and the sweep takes it up again."""
    return _stop_event is not None and _stop_event.is_set()


class _Stop:
    """The cluster's order to stop: given by its supervisor, or by that one's death."""

    def __init__(self, event: Event) -> None:
        self._event = event
        self._supervisor = os.getpid()
        self.each_cycle: Callable[[], None] = _beat

    def is_set(self) -> bool:
        if os.getppid() != self._supervisor:
            self._event.set()
        return self._event.is_set()

    def wait(self, timeout: float) -> bool:
        self.each_cycle()
        return self._event.wait(timeout) or self.is_set()


class _Sentinel(Sentinel):  # type: ignore[misc] # published without types
    """Starts the whole cluster over where django-q2 would only replace the dead process.

    A process that was killed may have held the lock of the job queue, and then nobody ever gets a job again
    although all processes are alive. The database still has every job; the sweep finds what the queue lost.
    """

    def spawn_cluster(self) -> None:
        super().spawn_cluster()
        self._beaten_at = time.monotonic()
        self.stop_event.each_cycle = self._send_beat

    def _send_beat(self) -> None:
        if time.monotonic() - self._beaten_at < _BEAT_EVERY:
            return
        self._beaten_at = time.monotonic()
        with contextlib.suppress(queue.Full):  # what is in it will do
            self.task_queue.put_nowait({"func": _beat, "name": "heartbeat", "args": (), "kwargs": {}})

    def reincarnate(self, process: ForkProcess) -> None:
        is_recycled = getattr(process, "timer", None) is not None and int(process.timer.value) == -2  # type: ignore[attr-defined]
        if is_recycled:
            super().reincarnate(process)
            return
        log.error("A process of the job cluster died; the cluster starts over.")
        # Nothing is left to clean up: the supervisor ends the whole process group.
        os._exit(os.EX_SOFTWARE)


def _guard(stop: _Stop, started: Event) -> None:
    # A group of its own: a signal to the supervisor's group (Ctrl-C, `timeout`, a process manager) must not
    # end workers in the middle of a job, it reaches the supervisor alone.
    os.setpgid(0, 0)
    _Sentinel(stop, started, uuid4())


def run_cluster(
    *, workers: int, should_stop: Callable[[], bool], grace: float = 60, stale_after: float = STALE_AFTER
) -> None:
    """Run background jobs in so many processes until should_stop() says so; running jobs get `grace` seconds to end.

    A cluster that dies, or shows no sign of life for stale_after seconds, is started over; after 1 to 30 seconds when
    it keeps dying.
    """
    Conf.WORKERS = Conf.QUEUE_LIMIT = workers
    pause = 1.0
    while not should_stop():
        born = time.monotonic()
        _run_once(should_stop, grace=grace, stale_after=stale_after)
        pause = 1.0 if time.monotonic() - born > 60 else min(pause * 2, 30)
        waited = time.monotonic() + pause
        while time.monotonic() < waited and not should_stop():
            time.sleep(0.1)


def _run_once(should_stop: Callable[[], bool], *, grace: float, stale_after: float) -> None:
    """One life of the cluster, from its start to the end of all its processes."""
    global _stop_event  # noqa: PLW0603 - how the workers, forked from here, get to know it
    # A forked process must not inherit an open connection: both would talk through one socket.
    connections.close_all()
    _stop_event = _fork.Event()
    sentinel = _fork.Process(target=_guard, args=(_Stop(_stop_event), _fork.Event()), name="sentinel")
    _sign_of_life.value = time.monotonic()
    sentinel.start()
    is_stale = False
    while sentinel.is_alive() and not should_stop() and not is_stale:
        sentinel.join(0.2)
        is_stale = time.monotonic() - _sign_of_life.value > stale_after
    _stop_event.set()
    if is_stale:
        log.error("The job cluster shows no sign of life; it starts over.")
    else:
        sentinel.join(grace)
    # Empty after an orderly stop; otherwise whatever is left of a dead or stuck cluster ends here.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(int(str(sentinel.pid)), signal.SIGKILL)
    sentinel.join()
