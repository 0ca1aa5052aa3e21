"""The worker journal: what a process handed over and has not recorded yet, readable after its death.

A memory-mapped file beside the database, one slot per unrecorded message. The kernel keeps the pages when the process
is killed; a host that loses power loses them, and then the lease decides. The file's lock is held as long as its
process lives (flock(2) ends with the process, whatever killed it), so whoever gets the lock knows that it is dead:
in every container and process namespace that shares the folder.
"""

from __future__ import annotations

import fcntl
import logging
import mmap
import os
import secrets
import socket
import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from django.conf import settings

log = logging.getLogger(__name__)

_SLOT = struct.Struct("<q55sB")  # id, reply code, mark: the mark is the last byte and is written last
_SLOTS = 4096  # more than ever wait for one record: a flush of 500, and delivery.base.MOST_UNANSWERED
_MARK_AT = _SLOT.size - 1


class Mark(IntEnum):
    """What is known of a message; a slot that holds nothing is `FREE`."""

    FREE = 0
    LEAVING = 1  # its first byte may have left: nobody knows unless a reply is noted
    ACCEPTED = 2
    REJECTED = 3
    DEFERRED = 4


_MARKS = frozenset(Mark) - {Mark.FREE}


@dataclass(frozen=True, slots=True)
class Entry:
    """One unrecorded message of a dead process; `code` is the reply code of a refusal."""

    id: int
    mark: Mark
    code: str


class JournalFull(Exception):
    """More messages are unrecorded than the journal has room for."""


class Journal:
    """The journal of one worker; its name is the worker's, as it stands in `claimed_by`."""

    def __init__(self) -> None:
        folder = _folder()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.worker = f"{socket.gethostname()[:24].replace('/', '-')}:{secrets.token_hex(8)}"
        self._path = folder / self.worker
        # Locked before it has its name: under its name it would look dead until then.
        unnamed = folder / f".{secrets.token_hex(8)}"
        self._fd = os.open(unnamed, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        unnamed.rename(self._path)
        os.ftruncate(self._fd, _SLOTS * _SLOT.size)
        self._pages = mmap.mmap(self._fd, _SLOTS * _SLOT.size)
        self._free = list(range((_SLOTS - 1) * _SLOT.size, -1, -_SLOT.size))
        self._at: dict[int, int] = {}

    def leaving(self, ids: Sequence[int]) -> None:
        """Note mails whose first byte is about to leave: all, or none when there is no room.

        One that is noted already, because it was turned away and leaves again, keeps its place.
        """
        fresh = [pk for pk in ids if pk not in self._at]
        if len(fresh) > len(self._free):
            raise JournalFull
        for pk in fresh:
            at = self._at[pk] = self._free.pop()
            _SLOT.pack_into(self._pages, at, pk, b"", Mark.FREE)
        for pk in ids:
            self._pages[self._at[pk] + _MARK_AT] = Mark.LEAVING

    def settle(self, pk: int, mark: Mark, code: str) -> None:
        """Note the answer to a mail; one that never was `leaving` needs no note."""
        at = self._at.get(pk)
        if at is None:
            return
        if code:
            struct.pack_into("<55s", self._pages, at + 8, code.encode("ascii"))
        self._pages[at + _MARK_AT] = mark

    def forget(self, ids: Iterable[int]) -> None:
        """The database knows these now."""
        for pk in ids:
            at = self._at.pop(pk, None)
            if at is not None:
                self._pages[at + _MARK_AT] = Mark.FREE
                self._free.append(at)

    def unanswered(self) -> list[int]:
        """The mails that left without an answer so far."""
        return [pk for pk, at in self._at.items() if self._pages[at + _MARK_AT] == Mark.LEAVING]

    def close(self) -> None:
        """Remove the file, or leave it for recovery when something in it is still unrecorded."""
        if not self._at:
            self._path.unlink(missing_ok=True)
        self._pages.close()
        os.close(self._fd)


def recover_dead(recover: Callable[[str, list[Entry]], None]) -> None:
    """Call recover(worker, its unrecorded messages) for every dead process of this host, and remove its journal after.

    When it raises, the journal stays for the next try; recovering twice must do no harm.
    """
    for path in sorted(_folder().glob("*:*")):
        try:
            fd = os.open(path, os.O_RDWR)
        except FileNotFoundError:
            continue  # somebody else was first
        except OSError as error:
            # Left by a process of another user, perhaps: it must not hold up the others, and the leases run out.
            log.error("journal %s cannot be read: %s", path.name, type(error).__name__)  # noqa: TRY400
            continue
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            recover(path.name, _read(fd))
            path.unlink(missing_ok=True)
        except BlockingIOError:
            continue  # its process lives
        finally:
            os.close(fd)


def _read(fd: int) -> list[Entry]:
    pages = os.pread(fd, _SLOTS * _SLOT.size, 0)
    whole = pages[: len(pages) // _SLOT.size * _SLOT.size]
    return [
        Entry(pk, Mark(mark), code.rstrip(b"\0").decode("ascii", "replace"))
        for pk, code, mark in _SLOT.iter_unpack(whole)
        if mark in _MARKS
    ]


def _folder() -> Path:
    return Path(settings.VAR_DIR) / "journal"
