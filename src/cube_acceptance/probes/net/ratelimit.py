"""The pace of echo requests: one address gets one in 1.2 s, whoever sends it on this computer.

The time of the last request to an address stands in a small file that every user of this computer
may write, in a folder that lies at the same place for everyone. Who wants to send locks the file,
looks at the time, sends, and notes the new time, all before the lock is given back; so two
requests cannot come close together, not even when a process is held up between asking and sending.
Locks are the kernel's (``flock``): a killed process leaves none behind. A request that was
announced but never noted as sent counts as sent when the next one finds it.

The folder is open to other users and so to hostile ones: nothing in it is followed (symbolic
links), shared (hard links), waited for (locks, leases, pipes) or believed (times in the future).
They can spoil the pace, as they could by sending requests of their own, and use it up, which the
probe reports; they cannot reach this user's files or hold up a run. Where the folder cannot be
used, a folder of this user's takes its place, and then this process's memory; the :class:`Turn`
says so.

The key is the address. Two names or interfaces that lead to one address share its pace, and so do
two networks in which the same address is used; a device with several addresses has one for each.
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import stat
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

INTERVAL_S = 1.2
"""From one echo request to the next to the same address; one a second is what a CUBE allows."""
RETRY_S = 0.02
"""When to ask again while another program is sending."""
FOLDER_NAME = "cube-acceptance-pace"

SENDING = b"sending".ljust(20)
"""Stands in the file while a request is being sent."""
_STAMP_SIZE = len(SENDING)
_NANOSECONDS = 1_000_000_000
_SHARED_MODE = 0o1777
"""Everybody may add files, nobody may remove another's."""
_OWN_MODE = 0o700
_FILE_MODE = 0o666
_MAKING_S = 2.0
"""For how long a file that nobody else may open yet passes for a new one."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What came of asking to send one echo request."""

    wait_s: float = 0.0
    """How long to wait before asking again; 0 when the request was sent."""
    limits: str = ""
    """Why the pace is not kept over the whole computer; empty where it is."""


class Entry(Protocol):
    """The locked record of one address."""

    def read(self) -> bytes:
        """Return what stands there; empty where nothing does."""
        ...

    def write(self, content: bytes) -> None:
        """Replace what stands there."""
        ...

    def close(self) -> None:
        """Give the lock back."""
        ...


class Book(Protocol):
    """A place where records are kept."""

    @property
    def name(self) -> str:
        """What to call it in a sentence."""
        ...

    def open(self, name: str) -> Entry:
        """Lock the record of one address, without waiting.

        Raises:
            BlockingIOError: somebody else has it.
            OSError: records cannot be kept here.
        """
        ...


class FileEntry:
    """A record in a file, locked by the kernel for as long as it is open."""

    def __init__(self, descriptor: int) -> None:
        """Take over an open, locked file."""
        self._descriptor = descriptor

    def read(self) -> bytes:
        """Give at most one record's bytes."""
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        return os.read(self._descriptor, _STAMP_SIZE)

    def write(self, content: bytes) -> None:
        """Replace the record; all have the same size."""
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        if os.write(self._descriptor, content) != len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def close(self) -> None:
        """Close the file, which gives the lock back."""
        _unlock(self._descriptor)
        os.close(self._descriptor)


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder with one file an address."""

    path: Path
    mode: int
    """The folder's own mode when it is made."""

    @property
    def name(self) -> str:
        """The folder's path."""
        return str(self.path)

    def open(self, name: str) -> Entry:
        """Lock one address's file; folder and file are made where they are missing."""
        try:
            return FileEntry(_open_locked(self.path, name))
        except FileNotFoundError:
            make_folder(self.path, self.mode)
        try:
            return FileEntry(_open_locked(self.path, name))
        except FileNotFoundError as error:  # somebody else's fresh folder has just replaced ours
            raise BlockingIOError from error


class MemoryEntry:
    """A record in this process's memory; :class:`RateLimit` itself lets one thread in at a time."""

    def __init__(self, records: dict[str, bytes], name: str) -> None:
        """Name the record."""
        self._records = records
        self._name = name

    def read(self) -> bytes:
        """Return the record."""
        return self._records.get(self._name, b"")

    def write(self, content: bytes) -> None:
        """Replace the record."""
        self._records[self._name] = content

    def close(self) -> None:
        """Nothing is locked."""


class Memory:
    """Records in this process's memory: the last resort, which always works."""

    name = "memory"

    def __init__(self) -> None:
        """Start without records."""
        self._records: dict[str, bytes] = {}

    def open(self, name: str) -> Entry:
        """Return one address's record."""
        return MemoryEntry(self._records, name)


def make_folder(path: Path, mode: int) -> None:
    """Make a folder that has its mode from the first moment on, whatever the umask.

    Somebody else may make it at the same time; then theirs stays. On Windows the folder above
    decides who may write.
    """
    if os.name == "nt" or not mode & stat.S_IWOTH:
        path.mkdir(mode=mode, parents=True, exist_ok=True)
        return
    fresh = tempfile.mkdtemp(prefix=f"{path.name}-", dir=path.parent)
    try:
        Path(fresh).chmod(mode)
        Path(fresh).rename(path)
    except OSError:
        Path(fresh).rmdir()
        if not os.path.lexists(path):
            raise


if sys.platform == "win32":  # pragma: no cover - only runs on Windows
    import msvcrt

    _LOCKED_BYTE = 1 << 20
    """Far behind the record: Windows lets nobody read a locked byte."""
    _BUSY = frozenset({errno.EACCES, errno.EDEADLK, 0})
    """How the C library says that another program holds the lock; Wine's gives no number."""

    def _open_locked(folder: Path, name: str) -> int:
        descriptor = os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_BINARY)
        try:
            os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            os.close(descriptor)
            if error.errno in _BUSY:
                raise BlockingIOError from error
            raise
        return descriptor

    def _unlock(descriptor: int) -> None:
        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _open_locked(folder: Path, name: str) -> int:
        with _closing(os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)) as directory:
            descriptor = _open_or_make(name, directory)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _check_file(descriptor, name, directory)
            except BaseException:
                os.close(descriptor)
                raise
            return descriptor

    def _open_or_make(name: str, directory: int) -> int:
        # Not O_CREAT at once: in a sticky folder the kernel may refuse it for another's file
        # (fs.protected_regular). O_NONBLOCK: neither a pipe nor a lease makes us wait.
        flags = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK
        try:
            return os.open(name, flags, dir_fd=directory)
        except FileNotFoundError:
            pass
        except PermissionError as error:
            if _is_being_made(name, directory):
                raise BlockingIOError from error
            raise
        try:
            descriptor = os.open(name, flags | os.O_CREAT | os.O_EXCL, _FILE_MODE, dir_fd=directory)
        except FileExistsError as error:  # another program was faster
            raise BlockingIOError from error
        os.fchmod(descriptor, _FILE_MODE)
        return descriptor

    def _is_being_made(name: str, directory: int) -> bool:
        """Whether another user made the file just now and has yet to open it for all."""
        found = os.stat(name, dir_fd=directory, follow_symlinks=False)
        return not found.st_size and abs(time.time() - found.st_mtime) < _MAKING_S

    def _check_file(descriptor: int, name: str, directory: int) -> None:
        """Make sure that the locked file is the one that others will find, and nobody's else."""
        held = os.fstat(descriptor)
        if not stat.S_ISREG(held.st_mode) or held.st_nlink > 1:
            raise OSError(errno.EINVAL, f"{name} is not a file of its own")
        try:
            found = os.stat(name, dir_fd=directory, follow_symlinks=False)
        except FileNotFoundError as error:
            raise BlockingIOError from error
        if not os.path.samestat(held, found):
            raise BlockingIOError

    def _unlock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)

    @contextlib.contextmanager
    def _closing(descriptor: int) -> Iterator[int]:
        try:
            yield descriptor
        finally:
            os.close(descriptor)


def shared_folder(platform: str = sys.platform) -> Path:
    """Name the folder that is the same for all users, whatever their environment says.

    Not ``TMPDIR``: macOS gives every user another one, and a session with one of its own would
    keep its own pace. Windows lets everybody who is logged in write to the public folder.
    """
    if platform == "win32":
        return Path(os.environ.get("PUBLIC", r"C:\Users\Public"), FOLDER_NAME)
    return Path("/tmp", FOLDER_NAME)  # noqa: S108 - meant to be shared; see _open_locked


def places() -> tuple[Book, ...]:
    """List where records can be kept, the best first: this computer, this user, this process."""
    books: list[Book] = [Folder(shared_folder(), _SHARED_MODE)]
    with contextlib.suppress(RuntimeError):  # a user without a home
        books.append(Folder(Path.home() / ".cache" / FOLDER_NAME, _OWN_MODE))
    return (*books, Memory())


CLOCK = time.perf_counter_ns if sys.platform == "win32" else time.monotonic_ns
"""Counts since the system's start. Windows' monotonic clock has steps of 16 ms before Python 3.13;
its performance counter is the computer's as well, and fine."""


class RateLimit:
    """Lets echo requests to one address follow each other at an interval and no faster."""

    def __init__(
        self,
        books: Sequence[Book] | None = None,
        interval_s: float = INTERVAL_S,
        clock: Callable[[], int] = CLOCK,
    ) -> None:
        """Keep the records in the first of ``books`` that works.

        ``clock`` counts nanoseconds and must be the same for all processes of this computer, as
        the monotonic clocks of Linux, macOS and Windows are.
        """
        self._books = places() if books is None else tuple(books)
        self._interval = int(interval_s * _NANOSECONDS)
        self._clock = clock
        self._guard = threading.Lock()
        self._busy: set[str] = set()

    def send(self, address: str, action: Callable[[], float]) -> Turn:
        """Run ``action`` if a request may go to ``address`` now; never waits.

        ``action`` sends one request and gives how many seconds ago that was at the latest. What
        it raises comes through; the request counts as sent all the same.
        """
        name = str(ipaddress.IPv4Address(address))
        with self._guard:
            if name in self._busy:
                return Turn(RETRY_S)
            self._busy.add(name)
        try:
            return self._send(name, action)
        finally:
            with self._guard:
                self._busy.discard(name)

    def _send(self, name: str, action: Callable[[], float]) -> Turn:
        limits = ""
        for book in self._books:
            try:
                entry = book.open(name)
            except BlockingIOError:
                return Turn(RETRY_S, limits)
            except OSError as error:
                limits = f"{book.name}: {error.strerror}"
                continue
            with contextlib.closing(entry):
                try:
                    wait = self._claim(entry)
                except OSError as error:
                    limits = f"{book.name}: {error.strerror}"
                    continue
                if wait:
                    return Turn(wait / _NANOSECONDS, limits)
                self._perform(entry, action)
                return Turn(0.0, limits)
        raise LookupError("no place to keep the pace in")

    def _claim(self, entry: Entry) -> int:
        """Announce a request, or give how many nanoseconds there are to wait first."""
        record = entry.read()
        if not record:
            entry.write(SENDING)
            return 0
        now = self._clock()
        last = int(record) if record.isdigit() else None
        if last is None or last > now:
            # Announced by a process that was killed, written by a stranger, or by a clock that
            # started again since: all of it may have been just now.
            entry.write(_stamp(now))
            return self._interval
        if last + self._interval > now:
            return last + self._interval - now
        entry.write(SENDING)
        return 0

    def _perform(self, entry: Entry, action: Callable[[], float]) -> None:
        ago_s = 0.0
        try:
            ago_s = action()
        finally:
            with contextlib.suppress(OSError):  # then it stays announced, which is safe as well
                entry.write(_stamp(self._clock() - int(ago_s * _NANOSECONDS)))


def _stamp(moment: int) -> bytes:
    return b"%0*d" % (_STAMP_SIZE, max(moment, 0))


ECHO_RATE = RateLimit()
"""The pace that all echo requests of this computer keep."""
