"""``watch``: what is asked again, what is shown, and how it ends."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, Any

import pytest

from cube_acceptance import cases, expected, store, watching
from cube_acceptance.certificate.terminal import Line
from cube_acceptance.commands import watch as command
from cube_acceptance.evidence import DhcpObserved
from cube_acceptance.runner import NoRoomError
from selftests.support import healthy
from selftests.support.cases import functions

if TYPE_CHECKING:
    from pathlib import Path

    from cube_acceptance.catalogue import Catalogue
    from cube_acceptance.evidence import Observation
    from cube_acceptance.expected import Owed

SILENT = DhcpObserved(started=healthy.STARTED, duration_s=10.0)


class Round:
    """Measurements that are in after a look or two."""

    def __init__(self, changes: dict[str, Observation | None] | None = None) -> None:
        """Measure the healthy site, but for this."""
        saved = healthy.saved(changes)
        self.setup = saved.setup
        self._saved = saved
        self._store = store.Store(saved.setup.vantage)
        self._looks = 0

    def start(self) -> None:
        """Have some in already."""
        for key, observation in self._saved.observations.items():
            if not key.startswith("ntp/"):
                self._store.put(key, observation)

    def wait(self, _limit_s: float) -> bool:
        """Have the rest in at the second look."""
        self._looks += 1
        if self._looks < 2:
            return False
        for key, observation in self._saved.observations.items():
            self._store.put(key, observation)
        self._store.close()
        return True

    def seen(self, key: str) -> Observation | None:
        """Return what is in."""
        return self._store.seen(key)


class Screen:
    """Keeps what is shown."""

    signs = True

    def __init__(self) -> None:
        """Begin with nothing."""
        self.lines: list[str] = []
        self.told: list[tuple[int, tuple[str, ...], float]] = []

    def show(self, line: Line) -> None:
        """Keep a line's sign and requirement."""
        self.lines.append(" ".join(line.text.split()[:2]))

    def tell(self, *told: Any) -> None:  # noqa: ANN401 - number, names, seconds
        """Keep what is told."""
        self.told.append(told)


@pytest.fixture
def screen() -> Screen:
    """Where it is shown."""
    return Screen()


@pytest.fixture
def watch(catalogue: Catalogue, screen: Screen) -> watching.Watch:
    """The healthy site, of which nothing is known yet."""
    owed = expected.owed(catalogue, healthy.SITE)
    return watching.Watch(catalogue, owed, functions(), "en", screen)


def asked(open_: tuple[Owed, ...]) -> set[str]:
    """Which requirements are asked for."""
    return {owing.requirement for owing in open_}


class TestWatch:
    """Rounds: only what is not met is asked again."""

    def test_until_all_that_is_required_is_met(self, watch: watching.Watch, screen: Screen) -> None:
        """What changes is shown, and nothing twice."""
        first = Round({"dhcp": SILENT, "ping/10.20.0.50": None})
        watch.round(first.setup, first)
        assert not watch.finished
        assert "DHCP-01" in asked(watch.open)
        assert "SSH-01" not in asked(watch.open)
        assert len(screen.lines) == 11
        assert "✗ DHCP-01" in screen.lines

        again = Round({"dhcp": SILENT, "ping/10.20.0.50": None})
        watch.round(again.setup, again)
        assert len(screen.lines) == 11

        last = Round({"ping/10.20.0.50": None})
        watch.round(last.setup, last)
        assert watch.finished
        assert asked(watch.open) == {"PING-02"}
        assert "✓ DHCP-01" in screen.lines[11:]
        assert [number for number, names, _ in screen.told if names] == [1, 2, 3]

    def test_a_fleet_is_judged_at_the_end(
        self, watch: watching.Watch, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Looking at thousands of cases five times a second would be all the computer does."""
        monkeypatch.setattr(cases, "EARLY_LIMIT", 3)
        last = Round()
        watch.round(last.setup, last)

        assert watch.open == ()

    @pytest.mark.parametrize(("took_s", "rests_s"), [(1.0, 14.0), (30.0, 5.0)])
    def test_rests(
        self, watch: watching.Watch, screen: Screen, took_s: float, rests_s: float
    ) -> None:
        """From round to round, and after a long one as well."""
        now = [took_s]

        def pause(seconds: float) -> None:
            now[0] += seconds

        watch.rest(0.0, pause, lambda: now[0])

        assert now[0] == took_s + rests_s
        assert round(screen.told[0][2]) == rests_s


class Terminal(io.StringIO):
    """A terminal of UTF-8."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        """Be one."""
        return True


class TestScreens:
    """In place on a terminal, a line a change elsewhere."""

    def test_a_terminal(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A requirement keeps its line, in the catalogue's order, as wide as the terminal."""
        monkeypatch.setattr(command, "_now", lambda: "10:00:00")
        stream = Terminal()
        monkeypatch.setenv("COLUMNS", "40")
        table = command.Table(stream, "en")
        table.tell(1, ("NTP-01",), 0.0)
        table.show(Line("✗ NTP-01   Time server (NTP): nobody answers here", ("red",)))
        table.show(Line("✓ DHCP-01  Address", ("green",)))
        table.show(Line("✓ NTP-01   Time server (NTP): fine", ("green",)))
        table.tell(1, (), 4.6)

        *_, last = stream.getvalue().split("\x1b[3A")
        assert last.splitlines() == [
            "\x1b[2K\x1b[32m10:00:00 ✓ DHCP-01  Address\x1b[0m",
            "\x1b[2K\x1b[32m10:00:00 ✓ NTP-01   Time server (NTP):…\x1b[0m",
            "\x1b[2KNext round in 5 s. Ctrl-C ends it.",
        ]
        assert "Round 1, asking for: NTP-01" in stream.getvalue()

    def test_windows(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Its console is told to understand the cursor's ways."""
        calls: list[str] = []
        monkeypatch.setattr(sys, "platform", "win32")
        monkeypatch.setattr(command.os, "system", calls.append)
        command.Table(Terminal(), "en")

        assert calls == [""]

    def test_a_pipe(self) -> None:
        """With the time, and nothing for what is no change."""
        stream = io.StringIO()
        log = command.screen_of(stream, "en")
        log.show(Line("✗ NTP-01 Time server"))
        log.tell(1, ("NTP-01",), 0.0)

        (line,) = stream.getvalue().splitlines()
        assert line[8:] == " ✗ NTP-01 Time server"

    def test_which(self) -> None:
        """A terminal has a table."""
        assert isinstance(command.screen_of(Terminal(), "en"), command.Table)


class TestCommand:
    """From the options to the whole run."""

    @pytest.fixture(autouse=True)
    def site(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Measure a healthy site, in two rounds."""
        rounds = [Round({"dhcp": SILENT}), Round()]
        monkeypatch.setattr(command, "make_setup", lambda _: rounds[0].setup)
        monkeypatch.setattr(command, "check_room", lambda **_: None)
        monkeypatch.setattr(command.expected, "owed", lambda book, _: _OWED(book, healthy.SITE))
        monkeypatch.setattr(watching, "INTERVAL_S", 0.0)
        monkeypatch.setattr(watching, "REST_S", 0.0)
        self.rounds = rounds

    def survey(self, *_: object, **__: object) -> Any:  # noqa: ANN401 - a survey's part
        """Return the next round."""
        return self.rounds.pop(0) if len(self.rounds) > 1 else self.rounds[0]

    def test_ends_in_the_whole_run(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """With its options and its exit status."""
        given: list[list[str]] = []

        def finish(arguments: list[str]) -> int:
            given.append(arguments)
            return 10

        file = tmp_path / "site.toml"
        file.write_text('language = "en"\n[[cube]]\naddress = "10.20.0.50"\n')
        more = ["--reports", "r", "--pdf"]
        assert command.main(["--site", str(file), *more], finish, self.survey) == 10
        assert given == [["--site", str(file), "--lang", "en", *more]]
        assert "Everything required is met" in capsys.readouterr().out

    def test_one_cube(self) -> None:
        """Without a site file."""
        given: list[list[str]] = []
        arguments = ["--cube", "10.20.0.50", "--lang", "de"]
        command.main(arguments, lambda one: given.append(one) or 0, self.survey)  # type: ignore[func-returns-value]

        assert given == [arguments]

    def test_a_person_ends_it(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Politely, and without a run."""

        def survey(*_: object, **__: object) -> Any:  # noqa: ANN401 - as above
            raise KeyboardInterrupt

        assert command.main(["--cube", "10.20.0.50", "--lang", "en"], survey=survey) == 2
        assert "Nothing was saved" in capsys.readouterr().out

    def test_usage(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """What cannot be begun is a usage error."""

        def no_room(**_: object) -> None:
            raise NoRoomError("3 threads")

        away = tmp_path / "away.toml"
        away.write_text('[vantage]\ninterface = "eth77"\n[[cube]]\naddress = "10.20.0.50"\n')
        sites = (str(tmp_path / "nothing.toml"), str(away))
        for arguments in ([], ["--cube", "x"], *(["--site", site] for site in sites)):
            with pytest.raises(SystemExit):
                command.main(arguments)
        monkeypatch.setattr(command, "check_room", no_room)
        with pytest.raises(SystemExit):
            command.main(["--cube", "10.20.0.50"])


_OWED = expected.owed
