"""Output that cannot be written any more, by real files and pipes."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cube_acceptance.output import Lasting, make_lasting, showable

FULL = Path("/dev/full")


def broken_pipe() -> io.TextIOWrapper:
    """Make a stream whose reader is gone."""
    reading, writing = os.pipe()
    os.close(reading)
    return os.fdopen(writing, "w", encoding="utf-8")


class TestShowable:
    """`showable` writes with what a code page has."""

    @pytest.mark.parametrize(
        ("encoding", "errors", "shown"),
        [
            ("utf-8", "strict", "\u201eWerk Köln\u201c \u2192 \u0107\u4e2d"),
            ("cp1252", "strict", "\u201eWerk Köln\u201c -> c?"),
            ("cp437", "strict", '"Werk Köln" -> c?'),
            ("cp1251", "surrogateescape", "\u201eWerk Koeln\u201c -> c?"),
            ("ascii", "strict", '"Werk Koeln" -> c?'),
        ],
    )
    def test_stands_in(self, encoding: str, errors: str, shown: str) -> None:
        """Arrows, quotation marks and letters are replaced; nothing is escaped."""
        text = "\u201eWerk Köln\u201c \u2192 \u0107\u4e2d"

        assert showable(text, encoding, errors) == shown

    def test_on_a_stream(self, tmp_path: Path) -> None:
        """A redirection has the computer's code page, and standard error would escape."""
        path = tmp_path / "out.txt"
        with path.open("w", encoding="cp437", errors="backslashreplace") as stream:
            Lasting(stream).write("a \u2192 b")

        assert path.read_text("cp437") == "a -> b"

    def test_bytes_that_are_no_text(self, tmp_path: Path) -> None:
        """A stream that passes them on does so still."""
        path = tmp_path / "out.txt"
        with path.open("w", encoding="utf-8", errors="surrogateescape") as stream:
            Lasting(stream).write("a \udcff \u2192")

        assert path.read_bytes() == b"a \xff \xe2\x86\x92"


class TestLasting:
    """A stream that goes on where writing to it fails."""

    def test_writes_what_it_can(self) -> None:
        """A stream in order gets everything."""
        stream = io.StringIO()
        lasting = Lasting(stream)

        assert lasting.write("one ") == 4
        lasting.writelines(["two ", "three"])
        lasting.flush()
        assert stream.getvalue() == "one two three"
        assert lasting.encoding == stream.encoding

    @pytest.mark.skipif(sys.platform == "win32", reason="numbers of devices, as POSIX has them")
    def test_a_reader_that_went_away(self) -> None:
        """What is still held back is dropped as well, so that closing the stream succeeds."""
        with broken_pipe() as stream:
            lasting = Lasting(stream)
            lasting.write("x" * 100_000)
            lasting.write("more")
            lasting.flush()

            assert os.fstat(stream.fileno()).st_rdev == Path(os.devnull).stat().st_rdev

    @pytest.mark.skipif(
        sys.platform == "win32" or not FULL.exists(), reason="the system has no /dev/full"
    )
    def test_a_full_disk(self) -> None:
        """The disk behind a redirection may be full."""
        with FULL.open("w", encoding="utf-8") as stream:
            lasting = Lasting(stream)
            lasting.write("x")
            lasting.flush()

            assert os.fstat(stream.fileno()).st_rdev == Path(os.devnull).stat().st_rdev

    def test_a_stream_that_was_closed(self) -> None:
        """Nothing is left to write to, and nothing is said."""
        stream = io.StringIO()
        stream.close()

        assert Lasting(stream).write("x") == 1

    def test_a_stream_without_a_file(self) -> None:
        """What has no file below it is left alone."""

        class Refusing(io.StringIO):
            def write(self, _text: str) -> int:
                raise OSError(28, "No space left on device")

        assert Lasting(Refusing()).write("x") == 1


class TestMakeLasting:
    """Both standard streams, whatever they are."""

    def test_twice_is_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A worker process in the same interpreter changes nothing."""
        stream = io.StringIO()
        monkeypatch.setattr(sys, "stdout", stream)
        monkeypatch.setattr(sys, "stderr", io.StringIO())
        make_lasting()
        first = sys.stdout
        make_lasting()

        assert sys.stdout is first
        assert isinstance(first, Lasting)

    def test_closed_ones(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Python has None in the place of a stream that was closed before it started."""
        monkeypatch.setattr(sys, "stdout", None)
        monkeypatch.setattr(sys, "stderr", None)
        make_lasting()
        with sys.stdout._stream, sys.stderr._stream:  # type: ignore[attr-defined]
            sys.stdout.write("x")
            sys.stdout.flush()

            assert sys.stderr.name == os.devnull

    def test_the_interpreter_ends_in_peace(self) -> None:
        """What the interpreter flushes at its end does not turn the exit status into 120."""
        code = (
            "import sys\n"
            "from cube_acceptance.output import make_lasting\n"
            "make_lasting()\n"
            "print('x' * 9)\n"
            "sys.stdout.flush()\n"
            "print('y')\n"
        )
        reading, writing = os.pipe()
        os.close(reading)
        try:
            done = subprocess.run(
                [sys.executable, "-c", code],
                stdout=writing,
                stderr=subprocess.PIPE,
                text=True,
                check=False,
            )
        finally:
            os.close(writing)

        assert (done.returncode, done.stderr) == (0, "")
