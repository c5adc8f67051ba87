"""Unit tests of the pace: two echo requests to one address never come close together."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import NoReturn

import pytest

from cube_acceptance.probes.net import ratelimit
from cube_acceptance.probes.net.ratelimit import (
    ECHO_RATE,
    FOLDER_NAME,
    RETRY_S,
    SENDING,
    FileEntry,
    Folder,
    Memory,
    RateLimit,
    Turn,
    make_folder,
    places,
    shared_folder,
)

ADDRESS = "192.0.2.50"
SECOND = 1_000_000_000
START = 500 * SECOND
SENT = Turn()

posix = pytest.mark.skipif(sys.platform == "win32", reason="permissions and links of POSIX")


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        """Start somewhere after the system's start."""
        self.now = START

    def __call__(self) -> int:
        """Return the time in nanoseconds."""
        return self.now

    def move(self, seconds: float) -> None:
        """Let time pass."""
        self.now += int(seconds * SECOND)


@pytest.fixture
def clock() -> Clock:
    """A clock under the test's control."""
    return Clock()


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A shared folder that nobody has made yet."""
    return Folder(tmp_path / "pace", 0o1777)


def now() -> float:
    """Send nothing, just now."""
    return 0.0


def never() -> NoReturn:
    """Fail where nothing may be sent."""
    pytest.fail("a request was sent too early")


class Broken:
    """A book that cannot be opened."""

    name = "/broken"

    def __init__(self, error: OSError) -> None:
        """Fail with this error."""
        self._error = error

    def open(self, _name: str) -> NoReturn:
        """Fail."""
        raise self._error


class Scratched:
    """A book that opens and cannot be written to."""

    name = "/scratched"

    def __init__(self, writes: int) -> None:
        """Let this many writes succeed before the disk is full."""
        self._left = writes
        self.closed = 0
        self.content = b""

    def open(self, _name: str) -> Scratched:
        """Be the entry as well."""
        return self

    def read(self) -> bytes:
        """Return what was written."""
        return self.content

    def write(self, content: bytes) -> None:
        """Write until the disk is full."""
        if not self._left:
            raise OSError(errno.ENOSPC, "No space left on device")
        self._left -= 1
        self.content = content

    def close(self) -> None:
        """Count the closings: a lock must be given back exactly once."""
        self.closed += 1


class TestPace:
    """When a request may be sent."""

    def test_first_request(self, folder: Folder, clock: Clock) -> None:
        """An address that nobody has asked yet may be asked at once."""
        assert RateLimit([folder], clock=clock).send(ADDRESS, now) == SENT

    def test_second_request_has_to_wait(self, folder: Folder, clock: Clock) -> None:
        """The wait is what is left of the interval, and nothing is sent meanwhile."""
        keeper = RateLimit([folder], clock=clock)
        keeper.send(ADDRESS, now)
        clock.move(0.5)

        assert keeper.send(ADDRESS, never).wait_s == pytest.approx(0.7)

    @pytest.mark.parametrize("passed_s", [1.2, 1.3, 86400.0])
    def test_after_the_interval(self, folder: Folder, clock: Clock, passed_s: float) -> None:
        """From the end of the interval on the next one may go."""
        keeper = RateLimit([folder], clock=clock)
        keeper.send(ADDRESS, now)
        clock.move(passed_s)

        assert keeper.send(ADDRESS, now) == SENT

    def test_announced_before_it_is_sent(self, folder: Folder, clock: Clock) -> None:
        """The file says that a request is being sent before it is, the first as well as others."""
        keeper = RateLimit([folder], clock=clock)
        read: list[bytes] = []

        def look() -> float:
            read.append((folder.path / ADDRESS).read_bytes())
            return 0.0

        keeper.send(ADDRESS, look)
        clock.move(1.2)
        keeper.send(ADDRESS, look)

        assert read == [SENDING, SENDING]
        assert (folder.path / ADDRESS).read_bytes() == b"%020d" % clock.now

    def test_another_session(self, folder: Folder, clock: Clock) -> None:
        """What one session sent holds another session back: they share nothing but the file."""
        RateLimit([folder], clock=clock).send(ADDRESS, now)
        clock.move(0.2)

        assert RateLimit([folder], clock=clock).send(ADDRESS, never).wait_s == pytest.approx(1.0)

    def test_another_address(self, folder: Folder, clock: Clock) -> None:
        """A fleet of CUBEs is asked side by side."""
        keeper = RateLimit([folder], clock=clock)
        keeper.send(ADDRESS, now)

        assert keeper.send("192.0.2.51", now) == SENT

    def test_spellings_of_an_address(self, folder: Folder, clock: Clock) -> None:
        """The name in the folder comes from the address itself, so nothing else can be a path."""
        with pytest.raises(ValueError, match="passwd"):
            RateLimit([folder], clock=clock).send("../passwd", never)

    def test_interval_counts_from_the_sending(self, folder: Folder, clock: Clock) -> None:
        """A process held up between asking and sending does not shorten the interval."""
        keeper = RateLimit([folder], clock=clock)

        def held_up() -> float:
            clock.move(10.0)
            return 0.0

        keeper.send(ADDRESS, held_up)

        assert keeper.send(ADDRESS, never).wait_s == pytest.approx(1.2)

    def test_sent_some_time_ago(self, folder: Folder, clock: Clock) -> None:
        """An action that waits for the answer itself says how long ago its request left."""
        keeper = RateLimit([folder], clock=clock)
        keeper.send(ADDRESS, lambda: 0.9)

        assert keeper.send(ADDRESS, never).wait_s == pytest.approx(0.3)

    def test_failed_sending_counts(self, folder: Folder, clock: Clock) -> None:
        """What the action raises comes through, and the request counts: it may have left."""
        keeper = RateLimit([folder], clock=clock)

        def fail() -> float:
            raise OSError(errno.EPERM, "Operation not permitted")

        with pytest.raises(PermissionError):
            keeper.send(ADDRESS, fail)

        assert keeper.send(ADDRESS, never).wait_s == pytest.approx(1.2)

    def test_nobody_sends_at_the_same_time(self, folder: Folder, clock: Clock) -> None:
        """While one session is sending, no other one gets the lock, not even to look."""
        other = RateLimit([folder], clock=clock)
        seen = []

        def ask_meanwhile() -> float:
            seen.append(other.send(ADDRESS, never))
            return 0.0

        RateLimit([folder], clock=clock).send(ADDRESS, ask_meanwhile)

        assert seen == [Turn(RETRY_S)]

    def test_threads_of_one_process(self, clock: Clock) -> None:
        """In memory, where there is no lock of the kernel's, threads exclude each other too."""
        keeper = RateLimit([Memory()], clock=clock)
        seen = []

        def ask_meanwhile() -> float:
            thread = threading.Thread(target=lambda: seen.append(keeper.send(ADDRESS, never)))
            thread.start()
            thread.join()
            return 0.0

        keeper.send(ADDRESS, ask_meanwhile)

        assert seen == [Turn(RETRY_S)]
        assert keeper.send(ADDRESS, never).wait_s == pytest.approx(1.2)

    @pytest.mark.parametrize(
        "content",
        [SENDING, b"%020d" % (START + 60 * SECOND), b"-1".ljust(20), b"rubbish", b"\xff" * 400],
        ids=["killed-while-sending", "from-the-future", "negative", "rubbish", "long"],
    )
    def test_unbelievable_record(self, folder: Folder, clock: Clock, content: bytes) -> None:
        """What cannot be believed may have been just now: wait one interval, then go on."""
        make_folder(folder.path, folder.mode)
        (folder.path / ADDRESS).write_bytes(content)
        keeper = RateLimit([folder], clock=clock)

        assert keeper.send(ADDRESS, never) == Turn(1.2)
        clock.move(1.2)
        assert keeper.send(ADDRESS, now) == SENT

    def test_killed_process(self, folder: Folder, clock: Clock) -> None:
        """A process killed while it sends leaves no lock, and its request counts as sent."""
        program = (
            "import os, pathlib, sys;"
            "from cube_acceptance.probes.net.ratelimit import Folder, RateLimit;"
            "RateLimit([Folder(pathlib.Path(sys.argv[1]), 0o1777)])"
            f".send('{ADDRESS}', lambda: os._exit(9))"
        )
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-c", program, str(folder.path)]
        ended = subprocess.run(command, env=environment, check=False)

        assert ended.returncode == 9
        assert RateLimit([folder], clock=clock).send(ADDRESS, never) == Turn(1.2)

    def test_next_place(self, clock: Clock) -> None:
        """Where the first place cannot be used the next one is, and the turn says why."""
        broken = Broken(OSError(errno.EROFS, "Read-only file system"))
        keeper = RateLimit([broken, Memory()], clock=clock)

        assert keeper.send(ADDRESS, now) == Turn(0.0, "/broken: Read-only file system")
        assert keeper.send(ADDRESS, never) == Turn(1.2, "/broken: Read-only file system")

    def test_full_disk(self, clock: Clock) -> None:
        """A place that cannot be written to is no place; its lock is given back."""
        full = Scratched(0)
        turn = RateLimit([full, Memory()], clock=clock).send(ADDRESS, now)

        assert turn == Turn(0.0, "/scratched: No space left on device")
        assert full.closed == 1

    def test_disk_fills_up_while_sending(self, clock: Clock) -> None:
        """A time that cannot be noted leaves the announcement standing, which is safe."""
        filling = Scratched(1)
        turn = RateLimit([filling], clock=clock).send(ADDRESS, now)

        assert turn == SENT
        assert filling.content == SENDING

    def test_busy_place(self, clock: Clock) -> None:
        """A lock that somebody else has is no reason to go to the next place."""
        keeper = RateLimit([Broken(BlockingIOError()), Memory()], clock=clock)

        assert keeper.send(ADDRESS, never) == Turn(RETRY_S)

    def test_no_place(self, clock: Clock) -> None:
        """Without any place nothing is sent."""
        with pytest.raises(LookupError):
            RateLimit([], clock=clock).send(ADDRESS, never)


class TestFolder:
    """Files that every user of the computer may write, hostile ones among them."""

    @posix
    def test_everybody_may_write(self, folder: Folder, clock: Clock) -> None:
        """Neither folder nor file depend on the umask of whoever comes first."""
        before = os.umask(0o077)
        try:
            RateLimit([folder], clock=clock).send(ADDRESS, now)
        finally:
            os.umask(before)

        assert stat.S_IMODE(folder.path.stat().st_mode) == 0o1777
        assert stat.S_IMODE((folder.path / ADDRESS).stat().st_mode) == 0o666
        assert [path.name for path in folder.path.parent.iterdir()] == ["pace"]

    @posix
    def test_own_folder(self, tmp_path: Path) -> None:
        """A folder of this user's is nobody else's business."""
        own = Folder(tmp_path / ".cache" / "pace", 0o700)
        own.open(ADDRESS).close()

        assert stat.S_IMODE(own.path.stat().st_mode) == 0o700

    @posix
    @pytest.mark.parametrize("place", ["symlink", "dangling", "file"])
    def test_folder_that_is_none(self, tmp_path: Path, folder: Folder, place: str) -> None:
        """A link in the folder's place is not followed, whatever it points to."""
        elsewhere = tmp_path / "elsewhere"
        if place == "file":
            folder.path.touch()
        else:
            folder.path.symlink_to(elsewhere)
            if place == "symlink":
                elsewhere.mkdir()

        with pytest.raises(OSError, match=r".") as caught:
            folder.open(ADDRESS)

        assert not isinstance(caught.value, BlockingIOError)
        assert place != "symlink" or not list(elsewhere.iterdir())

    @posix
    @pytest.mark.parametrize("place", ["symlink", "hard link", "pipe", "folder"])
    def test_file_that_is_none(self, tmp_path: Path, folder: Folder, place: str) -> None:
        """Nothing but a file of its own is written to or waited for."""
        make_folder(folder.path, folder.mode)
        precious = tmp_path / "precious"
        precious.write_text("as it was")
        path = folder.path / ADDRESS
        {
            "symlink": lambda: path.symlink_to(precious),
            "hard link": lambda: path.hardlink_to(precious),
            "pipe": lambda: os.mkfifo(path),
            "folder": path.mkdir,
        }[place]()

        with pytest.raises(OSError, match=r".") as caught:
            folder.open(ADDRESS)

        assert not isinstance(caught.value, BlockingIOError)
        assert precious.read_text() == "as it was"

    @posix
    def test_file_removed_while_locking(
        self, folder: Folder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A file that is cleaned away between opening and locking guards nothing any more."""
        folder.open(ADDRESS).close()
        real = ratelimit.fcntl.flock

        def clean_up(descriptor: int, operation: int) -> None:
            (folder.path / ADDRESS).unlink(missing_ok=True)
            real(descriptor, operation)

        monkeypatch.setattr(ratelimit.fcntl, "flock", clean_up)
        with pytest.raises(BlockingIOError):
            folder.open(ADDRESS)

    @posix
    def test_file_replaced_while_locking(
        self, folder: Folder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Likewise where another file has its name by now."""
        folder.open(ADDRESS).close()
        real = ratelimit.fcntl.flock

        def replace(descriptor: int, operation: int) -> None:
            other = folder.path / "other"
            other.touch()
            other.rename(folder.path / ADDRESS)
            real(descriptor, operation)

        monkeypatch.setattr(ratelimit.fcntl, "flock", replace)
        with pytest.raises(BlockingIOError):
            folder.open(ADDRESS)

    @posix
    @pytest.mark.parametrize(
        ("content", "age_s", "expected"),
        [(b"", 0, BlockingIOError), (b"", 60, PermissionError), (b"x", 0, PermissionError)],
        ids=["being-made", "left-unfinished", "withheld"],
    )
    def test_file_of_another_user(
        self,
        folder: Folder,
        monkeypatch: pytest.MonkeyPatch,
        content: bytes,
        age_s: int,
        expected: type[OSError],
    ) -> None:
        """A file that another user is just making will be ours to write in a moment."""
        make_folder(folder.path, folder.mode)
        path = folder.path / ADDRESS
        path.write_bytes(content)
        made = path.stat().st_mtime - age_s
        os.utime(path, (made, made))
        refuse_opening(monkeypatch, ADDRESS, PermissionError(errno.EACCES, "Permission denied"))

        with pytest.raises(OSError, match=r"^|denied") as caught:
            folder.open(ADDRESS)

        assert caught.type is expected

    @posix
    def test_two_make_the_file(self, folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where another program makes the file first, it is asked for again."""
        make_folder(folder.path, folder.mode)
        (folder.path / ADDRESS).touch()
        refuse_opening(monkeypatch, ADDRESS, FileNotFoundError())

        with pytest.raises(BlockingIOError):
            folder.open(ADDRESS)

    @posix
    def test_folder_replaced_while_opening(
        self, folder: Folder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A folder that vanishes under our hands is asked for again, not given up."""
        monkeypatch.setattr(ratelimit, "make_folder", lambda *_: None)

        with pytest.raises(BlockingIOError):
            folder.open(ADDRESS)

    @posix
    def test_disk_full_in_the_middle(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A record that is written by halves is an error, not a time."""
        monkeypatch.setattr(os, "lseek", lambda *_: 0)
        monkeypatch.setattr(os, "write", lambda *_: 3)

        with pytest.raises(OSError, match="space"):
            FileEntry(-1).write(SENDING)


def refuse_opening(monkeypatch: pytest.MonkeyPatch, name: str, error: OSError) -> None:
    """Let the next opening of a file fail, unless it is to be made."""
    real = os.open

    def refuse(path: str | Path, flags: int, *rest: int, dir_fd: int | None = None) -> int:
        if path == name and not flags & os.O_CREAT:
            raise error
        return real(path, flags, *rest, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", refuse)


class TestMakeFolder:
    """A folder that has its mode from the first moment on."""

    @posix
    def test_somebody_else_was_faster(self, folder: Folder) -> None:
        """Their folder stays, with what is in it."""
        make_folder(folder.path, folder.mode)
        (folder.path / ADDRESS).touch()
        make_folder(folder.path, folder.mode)

        assert [path.name for path in folder.path.iterdir()] == [ADDRESS]
        assert [path.name for path in folder.path.parent.iterdir()] == ["pace"]

    @posix
    def test_it_cannot_be_made(self, folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
        """What stood in the way comes through, and nothing is left behind."""

        def refuse(*_: object) -> NoReturn:
            raise OSError(errno.EROFS, "Read-only file system")

        monkeypatch.setattr(Path, "chmod", refuse)
        with pytest.raises(OSError, match="Read-only"):
            make_folder(folder.path, folder.mode)

        assert not list(folder.path.parent.iterdir())


class TestPlaces:
    """Where records are kept."""

    def test_order(self) -> None:
        """This computer's folder first, then this user's, then memory."""
        shared, own, memory = places()

        assert shared == Folder(shared_folder(), 0o1777)
        assert own == Folder(Path.home() / ".cache" / FOLDER_NAME, 0o700)
        assert isinstance(memory, Memory)

    def test_same_folder_for_everyone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A user's own folder for temporary files must not give them a pace of their own."""
        monkeypatch.setenv("TMPDIR", "/somewhere/else")

        expected = Path("/tmp", FOLDER_NAME)  # noqa: S108 - meant to be shared

        assert shared_folder("linux") == shared_folder("darwin") == expected

    def test_windows(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Windows has one folder that all users may write."""
        monkeypatch.setenv("PUBLIC", "D:/Public")

        assert shared_folder("win32") == Path("D:/Public", FOLDER_NAME)

    def test_user_without_home(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A user without a home folder has two places left."""

        def homeless() -> NoReturn:
            raise RuntimeError("Could not determine home directory.")

        monkeypatch.setattr(Path, "home", homeless)

        assert [type(book).__name__ for book in places()] == ["Folder", "Memory"]

    def test_default(self) -> None:
        """All probes share one pace; it looks for its places by itself."""
        assert [book.name for book in ECHO_RATE._books][-1] == "memory"
        assert ECHO_RATE._interval == 1.2 * SECOND
