"""Many certificates in one table: which count, which replace which, and what no text can do."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from concurrent.futures.process import BrokenProcessPool
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks.summary import twin
from cube_acceptance import catalogue, run, verify
from cube_acceptance.certificate import build, signature
from cube_acceptance.summary import checking, command, showing
from cube_acceptance.summary.rows import (
    CUBE_DIGEST,
    Row,
    Stage,
    State,
    settle,
    status,
)
from cube_acceptance.summary.showing import Table
from cube_acceptance.text import comma
from cube_acceptance.text.foreign import one_line
from selftests.support import healthy, keys, sessions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from cube_acceptance.verdict import Outcome

    Maker = Callable[..., Path]

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
"""Three hours after the made-up evidence."""

HOUR_S = 3600.0
ACCEPTANCE: frozenset[Stage] = frozenset({"acceptance"})
BOTH: frozenset[Stage] = frozenset({"acceptance", "readiness"})


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's folder of the healthy site, made from saved evidence."""
    return sessions.run(tmp_path_factory.mktemp("run"), "--lang", "en").folder


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same where the time server is silent."""
    silent = healthy.NtpObserved(
        started=healthy.STARTED, duration_s=6.0, server=healthy.SERVER, reply=None
    )
    saved = healthy.saved({f"ntp/{healthy.SERVER}": silent})
    return sessions.run(tmp_path_factory.mktemp("run"), saved=saved).folder


@pytest.fixture(scope="module")
def unmeasured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same where the time server was not asked."""
    saved = healthy.saved({f"ntp/{healthy.SERVER}": None})
    return sessions.run(tmp_path_factory.mktemp("run"), saved=saved).folder


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Where the runs of a test lie."""
    folder = tmp_path / "runs"
    folder.mkdir()
    return folder


@pytest.fixture
def real(original: Path, runs: Path) -> Maker:
    """Write a certificate of a real, measured site."""

    def making(folder: str = "run", of: Path = original, **more: object) -> Path:
        return twin(of, runs / folder, **({"replayed": False} | more))

    return making


def checked(*folders: Path, signers: Path | None = None) -> list[Row]:
    """Check folders in this process."""
    return list(checking.check_all(folders, signers, NOW, 1))


def table(
    rows: Iterable[Row],
    stages: frozenset[Stage] = ACCEPTANCE,
    *,
    everything: bool = False,
    **more: object,
) -> Table:
    """Settle rows into a table."""
    current, superseded = settle(rows, stages)
    return Table(
        **{
            "requirements": tuple(entry.id for entry in catalogue.load().requirement),
            "current": current,
            "superseded": superseded if everything else [],
            "stages": stages,
            "language": "en",
            "signers": False,
        }
        | more
    )


def row(**values: object) -> Row:
    """A row that counts, with some things changed."""
    usual = {
        "folder": "/runs/a",
        "state": "accepted",
        "site": "Werk Ulm",
        "identity": "ulm",
        "slug": "werk-ulm",
        "started": "2026-11-23T09:00:00Z",
        "certificate_id": values.get("folder", "a"),
        "outcomes": outcomes("pass"),
    }
    return Row(**(usual | values))


def outcomes(outcome: Outcome) -> dict[str, Outcome]:
    """The same outcome for every requirement."""
    return {entry.id: outcome for entry in catalogue.load().requirement}


def tamper(folder: Path, **changes: object) -> Path:
    """Change keys of a certificate, with the hash of its content, and nothing else."""
    path = folder / "certificate.json"
    certificate = json.loads(path.read_bytes()) | changes
    certificate["content_sha256"] = build.content_sha256(certificate)
    path.write_bytes(build.dump(certificate))
    return folder


class TestFindRuns:
    """A run's folder, or one that holds some."""

    def test_run(self, original: Path) -> None:
        """A run's folder stands for itself."""
        assert checking.find_runs(original) == [original]

    def test_holder(self, original: Path) -> None:
        """One level down, in the order of names."""
        assert checking.find_runs(original.parent) == [original]

    def test_deeper(self, original: Path) -> None:
        """Two levels down nothing is found, and the folder itself stands for that."""
        holder = original.parents[1]

        assert checking.find_runs(holder) == [holder]

    def test_link(self, original: Path, runs: Path) -> None:
        """A link among the runs could lead anywhere, also back."""
        (runs / "link").symlink_to(original)

        assert checking.find_runs(runs) == [runs]


class TestVersions:
    """A fleet is acceptance-tested over years."""

    def test_earlier_and_later(self, real: Maker) -> None:
        """Each is checked by what it has; what only one of them asks for has a column."""
        before = sessions.PROJECT / "selftests" / "released" / "before-0.1.0"
        later = real()
        path = later / "certificate.json"
        certificate = json.loads(path.read_bytes())
        certificate["method"] |= {"version": "9.0.0", "suite_sha256": "0" * 64}
        certificate["results"].append(certificate["results"][0] | {"requirement": "VLAN-01"})
        page = (later / "certificate.html").read_text("utf-8")
        was = certificate["content_sha256"]
        certificate["content_sha256"] = build.content_sha256(certificate)
        page = page.replace(was, certificate["content_sha256"])
        (later / "certificate.html").write_text(page, "utf-8")
        certificate["files"]["certificate.html"] = run.sha256(page.encode())
        path.write_bytes(build.dump(certificate))
        folders = [before / "accepted", before / "rejected", later]
        rows = list(checking.check_all(folders, None, datetime(2030, 1, 1, tzinfo=UTC), 1))
        shown = table(rows, requirements=command.columns(rows), everything=True)

        assert [found.state for found in rows] == ["accepted", "rejected", "accepted"]
        assert shown.requirements[-1] == "VLAN-01"
        entries = json.loads("".join(showing.as_json(shown)))["certificates"]
        assert [entry["results"].get("VLAN-01") for entry in entries].count("pass") == 1
        for write in showing.WRITERS.values():
            assert "VLAN" in "".join(write(shown))


class TestCheck:
    """Whatever a folder holds, a row comes of it."""

    def test_accepted(self, real: Maker) -> None:
        """Everything that is kept of a certificate."""
        (found,) = checked(real())

        assert found.state == "accepted"
        assert (found.site, found.customer, found.location) == ("Werk Ulm", "Holz AG", "Ulm")
        assert found.started == "2026-11-23T09:00:00Z"
        assert found.outcomes == outcomes("pass")
        assert len(found.cubes) == CUBE_DIGEST
        assert status(found, ACCEPTANCE) == 0

    def test_rejected(self, failing: Path, real: Maker) -> None:
        """A rejected certificate verifies like any other."""
        (found,) = checked(real(of=failing))

        assert found.state == "rejected"
        assert found.outcomes["NTP-01"] == "fail"
        assert status(found, ACCEPTANCE) == 1

    def test_incomplete(self, unmeasured: Path, real: Maker) -> None:
        """So does one that makes no statement."""
        (found,) = checked(real(of=unmeasured))

        assert found.state == "incomplete"
        assert status(found, ACCEPTANCE) == 10

    def test_simulated(self, real: Maker) -> None:
        """A simulated run is never an acceptance."""
        (found,) = checked(real(evidence={"simulated": True}, simulated=True))

        assert found.state == "accepted"
        assert status(found, ACCEPTANCE) == 10
        assert showing.word(found, table([found])) == "Simulation passed"

    def test_replayed(self, original: Path) -> None:
        """Nor is one that was judged again."""
        (found,) = checked(original)

        assert found.replayed
        assert status(found, ACCEPTANCE) == 10

    def test_nothing(self, runs: Path) -> None:
        """An empty folder is shown: a plant that brought nothing home."""
        (found,) = checked(runs)

        assert found.state == "missing"
        assert status(found, ACCEPTANCE) == 10

    def test_unfinished(self, runs: Path) -> None:
        """A run that was broken off left its page and no certificate."""
        (runs / "certificate.html").write_text("")
        (found,) = checked(runs)

        assert found.state == "unfinished"
        assert status(found, ACCEPTANCE) == 10

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"verdict": "rejected"}, "its outcomes say accepted"),
            ({"simulated": True}, "differ in simulated"),
            ({"stage": "readiness"}, "differ in stage"),
            ({"site": {"name": "Other", "customer": "", "location": ""}}, "differ in site"),
            ({"item": {"cubes": []}}, "differ in item"),
            ({"results": []}, "not those that the catalogue demands"),
            ({"complaints": ["x"]}, "its outcomes say incomplete"),
            ({"decision_rule": "Everybody wins."}, "does not show this certificate"),
            ({"certificate_id": 7}, "str"),
        ],
    )
    def test_tampered(self, real: Maker, changes: dict[str, Any], reason: str) -> None:
        """What does not hold is the reason, and nothing that it claims is shown as true."""
        (found,) = checked(tamper(real("copy"), **changes))

        assert found.state == "untrusted"
        assert reason in found.reason
        assert (found.site, found.outcomes) == ("copy", {})
        assert status(found, ACCEPTANCE) == 1

    def test_other_time(self, real: Maker) -> None:
        """A certificate made younger than its evidence."""
        folder = real()
        times = json.loads((folder / "certificate.json").read_bytes())["time"]
        (found,) = checked(tamper(folder, time=times | {"started": "2026-11-23T11:00:00.000Z"}))

        assert "differ in time" in found.reason

    def test_changed_evidence(self, real: Maker) -> None:
        """The hashes are checked."""
        folder = real()
        with (folder / "evidence.json").open("ab") as file:
            file.write(b"\n")
        (found,) = checked(folder)

        assert "evidence.json: content changed" in found.reason

    def test_changed_content(self, real: Maker) -> None:
        """So is what stands on paper."""
        folder = real()
        path = folder / "certificate.json"
        path.write_text(path.read_text("utf-8").replace('_rule": "', '_rule": "x'), "utf-8")
        (found,) = checked(folder)

        assert "certificate.json: content changed" in found.reason

    def test_defect(self, real: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
        """A content that trips our own code is no reason to end the summary."""

        def trip(_certificate: object) -> None:
            raise ZeroDivisionError("a defect")

        monkeypatch.setattr(checking.verify, "check_content", trip)
        (found,) = checked(real())

        assert (found.state, found.reason) == ("untrusted", "ZeroDivisionError: a defect")

    def test_pipe(self, real: Maker) -> None:
        """A pipe would keep the reader waiting for ever."""
        folder = real()
        (folder / "certificate.json").unlink()
        os.mkfifo(folder / "certificate.json")
        (found,) = checked(folder)

        assert "certificate.json is no plain file" in found.reason

    def test_link(self, real: Maker) -> None:
        """A link leads out of the folder."""
        folder = real()
        (folder / "junit.xml").unlink()
        (folder / "junit.xml").symlink_to("/dev/zero")
        (found,) = checked(folder)

        assert "junit.xml is no plain file" in found.reason

    def test_large(self, real: Maker) -> None:
        """A file that would fill the memory; this one has no blocks on the disk."""
        folder = real()
        os.truncate(folder / "evidence.json", checking.FILE_LIMIT + 1)
        (found,) = checked(folder)

        assert "evidence.json has more than" in found.reason

    def test_stranger(self, real: Maker) -> None:
        """Nothing may be slipped in, and its name cannot disturb the terminal."""
        folder = real()
        (folder / "a\x1b[2J\nb").touch()
        (found,) = checked(folder)

        assert found.reason == "a\N{REPLACEMENT CHARACTER}[2J b: of other origin"

    def test_many_files(self, real: Maker) -> None:
        """A folder of a million files is not listed."""
        folder = real()
        for number in range(checking.FILES_LIMIT):
            (folder / f"{number}").touch()
        (found,) = checked(folder)

        assert "holds more than 32 files" in found.reason

    def test_unreadable(self, real: Maker) -> None:
        """A file that is a folder is an error of the system, and one row."""
        folder = real()
        (folder / "evidence.json").unlink()
        (found,) = checked(folder)

        assert "evidence.json" in found.reason

    def test_many_cubes(self, tmp_path: Path) -> None:
        """A site without a name goes by its CUBEs, a few of them."""
        cubes = tuple(
            healthy.Cube(name=f"saw-{number}", address=f"10.20.0.{number}")
            for number in range(50, 55)
        )
        site = healthy.Site(cubes=cubes)
        folder = sessions.run(tmp_path, saved=healthy.saved(site=site)).folder
        (found,) = checked(folder)

        assert found.site == "saw-50, saw-51, saw-52, …"
        assert found.slug == "saw-50"
        assert len(found.cubes) == 5 * CUBE_DIGEST

    def test_readiness(self, tmp_path: Path) -> None:
        """Before a CUBE is there, nothing is accepted; with --stage readiness it counts."""
        site = healthy.Site(stage="readiness")
        folder = sessions.run(tmp_path, saved=healthy.saved(site=site)).folder
        (found,) = checked(twin(folder, tmp_path / "real", replayed=False))

        assert found.state == "accepted"
        assert (found.site, found.slug, found.cubes) == ("", "site", b"")
        assert status(found, ACCEPTANCE) == 10
        assert status(found, BOTH) == 0
        alone = table([found])
        assert showing.word(found, alone) == "(Network ready)"
        counting = alone._replace(stages=BOTH)
        assert showing.word(found, counting) == "Network ready"
        assert showing.total(counting) == "Network ready: 1"


class TestSignature:
    """Present or demanded."""

    @pytest.fixture
    def key(self, tmp_path: Path) -> Path:
        """A key of one's own."""
        return keys.make_key(tmp_path / "key")

    @pytest.fixture
    def signers(self, key: Path) -> Path:
        """A list with that key."""
        return keys.signers(key)

    def test_signed(self, real: Maker, key: Path, signers: Path) -> None:
        """The key stands in the row."""
        (found,) = checked(real(key=key), signers=signers)

        assert found.state == "accepted"
        assert found.signed_by == signature.fingerprint(key)

    def test_not_signed(self, real: Maker, signers: Path) -> None:
        """What has to be signed and is not, does not count."""
        (found,) = checked(real(), signers=signers)

        assert (found.state, found.reason) == ("untrusted", "the certificate is not signed")

    def test_broken(self, real: Maker, key: Path) -> None:
        """A signature that is there has to hold, demanded or not."""
        folder = real(key=key)
        text = (folder / "certificate.json.sig").read_text()
        (folder / "certificate.json.sig").write_text(text.replace("\n", "", 1))
        (found,) = checked(folder)

        assert found.state == "untrusted"

    def test_of_another(self, real: Maker, key: Path, tmp_path: Path) -> None:
        """A good signature of a key that is not on the list."""
        nobody = tmp_path / "nobody"
        nobody.write_text("")
        (found,) = checked(real(key=key), signers=nobody)

        assert found.state == "untrusted"


class TestMoment:
    """Times have one form, and none lies in the future."""

    def test_zone(self) -> None:
        """Another zone is turned into UTC."""
        assert checking.moment("2026-11-23T10:00:00+01:00", NOW) == "2026-11-23T09:00:00Z"

    def test_early(self) -> None:
        """Texts compare like times also where a year has fewer digits."""
        assert checking.moment("0999-01-01T00:00:00Z", NOW) < "2026"

    def test_no_zone(self) -> None:
        """A time without a zone is no moment."""
        with pytest.raises(verify.BrokenError, match="no zone"):
            checking.moment("2026-11-23T10:00:00", NOW)

    def test_future(self) -> None:
        """A certificate of tomorrow would stay the newest for ever; a clock may be a bit ahead."""
        ahead = NOW + checking.CLOCK_TOLERANCE

        assert checking.moment(ahead.isoformat(), NOW)
        with pytest.raises(verify.BrokenError, match="in the future"):
            checking.moment((ahead + timedelta(seconds=1)).isoformat(), NOW)


class TestIdentity:
    """When two certificates are about one site."""

    @pytest.fixture
    def certificate(self, original: Path) -> dict[str, Any]:
        """The healthy site's."""
        found: dict[str, Any] = json.loads((original / "certificate.json").read_bytes())
        return found

    def test_spelling(self, certificate: dict[str, Any]) -> None:
        """Case and spaces do not make another site."""
        other = certificate | {"site": certificate["site"] | {"name": " WERK  ulm"}}

        assert checking.identity(certificate) == checking.identity(other)

    @pytest.mark.parametrize("key", ["name", "customer", "location"])
    def test_another(self, certificate: dict[str, Any], key: str) -> None:
        """Each part tells sites apart."""
        other = certificate | {"site": certificate["site"] | {key: "Another"}}

        assert checking.identity(certificate) != checking.identity(other)

    def test_nameless(self, certificate: dict[str, Any]) -> None:
        """Two plants without names have the same addresses and different test computers."""
        nameless = certificate | {"site": certificate["site"] | {"name": ""}}
        other = nameless | {"vantage": certificate["vantage"] | {"mac": "02:00:00:00:00:99"}}

        assert checking.identity(nameless) != checking.identity(other)


class TestCheckAll:
    """One process or several give the same."""

    def test_several(self, real: Maker, runs: Path) -> None:
        """More chunks than may wait at once, in processes of their own, in order."""
        real()
        folders = [runs / "run", *(runs / str(number) for number in range(40))]
        rows = list(checking.check_all(folders, None, NOW, 2, _by_name))

        assert [found.site for found in rows] == [folder.name for folder in folders]

    def test_window(self, runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """What waits is bounded, and nothing is lost for it."""
        monkeypatch.setattr(checking, "CHUNK", 1)
        monkeypatch.setattr(checking, "CHUNKS_WAITING", 1)
        folders = [runs / str(number) for number in range(7)]
        rows = list(checking.check_all(folders, None, NOW, 2, _by_name))

        assert [found.site for found in rows] == [folder.name for folder in folders]

    def test_ended(self, runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A process that the system ended is no result."""
        monkeypatch.setattr(checking, "CHUNK", 1)

        with pytest.raises(BrokenProcessPool):
            list(checking.check_all([runs, runs], None, NOW, 2, _ending))


def _by_name(folder: Path, _signers: Path | None, _now: datetime) -> Row:
    return Row(folder=str(folder), state="missing", site=folder.name)


def _ending(_folder: Path, _signers: Path | None, _now: datetime) -> Row:
    os._exit(9)


class TestSettle:
    """Which certificate of a site is the current one."""

    def test_newest(self) -> None:
        """A later one replaces an earlier one, in whichever order they are found."""
        old = row(folder="old", state="rejected")
        new = row(folder="new", started="2026-11-23T10:00:00Z")

        assert settle([old, new], ACCEPTANCE) == ([new], [old])
        assert settle([new, old], ACCEPTANCE) == ([new], [old])

    def test_newest_is_rejected(self) -> None:
        """An acceptance of yesterday does not help today."""
        old, new = row(folder="old"), row(folder="new", state="rejected", started="2027")

        assert settle([old, new], ACCEPTANCE) == ([new], [old])

    def test_same_time(self) -> None:
        """Of two at one time the worse one counts."""
        good, bad = row(folder="good"), row(folder="bad", state="rejected")

        assert settle([good, bad], ACCEPTANCE)[0] == [bad]
        assert settle([bad, good], ACCEPTANCE)[0] == [bad]

    @pytest.mark.parametrize(
        "changes", [{"simulated": True}, {"replayed": True}, {"stage": "readiness"}]
    )
    def test_later_without_statement(self, changes: dict[str, Any]) -> None:
        """What does not count hides no rejection, however new it is."""
        rejected = row(folder="real", state="rejected")
        other = row(folder="other", started="2027", **changes)

        assert settle([rejected, other], ACCEPTANCE) == ([rejected], [other])

    def test_other_cubes(self) -> None:
        """Two segments of one plant, tested one by one, both stay."""
        saw, edge = b"saw.....", b"edge...."
        bad = row(folder="saw", cubes=saw, state="rejected")
        good = row(folder="edge", cubes=edge, started="2027")

        assert settle([bad, good], ACCEPTANCE) == ([bad, good], [])

    def test_more_cubes(self) -> None:
        """A run of the whole plant replaces that of a part, and not the other way round."""
        saw, both = b"saw.....", b"edge....saw....."
        part = row(folder="part", cubes=saw)
        whole = row(folder="whole", cubes=both, started="2027")
        again = row(folder="again", cubes=saw, started="2028")

        assert settle([part, whole], ACCEPTANCE) == ([whole], [part])
        assert settle([whole, again], ACCEPTANCE) == ([again, whole], [])

    def test_copy(self) -> None:
        """The same certificate twice is one."""
        first, second = row(folder="1", certificate_id="x"), row(folder="2", certificate_id="x")

        assert settle([first, second], ACCEPTANCE) == ([first], [second])

    def test_one_number(self) -> None:
        """Two that differ and bear one number: neither is trusted."""
        first = row(folder="1", certificate_id="x", digest="1")
        second = row(folder="2", certificate_id="x", digest="2")
        current, superseded = settle([first, second], ACCEPTANCE)

        assert [found.state for found in current] == ["untrusted", "untrusted"]
        assert current[0].outcomes == {}
        assert superseded == []

    def test_untrusted(self) -> None:
        """What does not verify replaces nothing and is replaced by nothing."""
        broken = Row(folder="b", state="untrusted", site="b", reason="x")
        also = Row(folder="c", state="untrusted", site="c", reason="y")
        good = row()

        assert settle([good, broken, also], ACCEPTANCE) == ([broken, also, good], [])

    @pytest.mark.parametrize(
        ("folder", "replaced"),
        [
            ("/runs/20261123T085959Z-werk-ulm-a1b2c3", True),
            ("/runs/20261123T090001Z-werk-ulm-a1b2c3", False),
            ("/runs/20261123T085959Z-werk-bonn-a1b2c3", False),
            ("/other/20261123T085959Z-werk-ulm-a1b2c3", False),
            ("/runs/anything", False),
        ],
    )
    def test_unfinished(self, folder: str, *, replaced: bool) -> None:
        """A run that did not finish is settled by a later one of the same site beside it."""
        broken_off = Row(folder=folder, state="unfinished", site="x")
        current, superseded = settle([broken_off, row()], ACCEPTANCE)

        assert (broken_off in superseded, broken_off in current) == (replaced, not replaced)

    def test_unfinished_before_a_replay(self) -> None:
        """A replay is no repetition."""
        name = "/runs/20261123T085959Z-werk-ulm-a1b2c3"
        broken_off = Row(folder=name, state="unfinished", site="x")

        assert broken_off in settle([broken_off, row(replayed=True)], ACCEPTANCE)[0]

    def test_order(self) -> None:
        """The worst first, then by name."""
        names = {"b": "accepted", "c": "incomplete", "d": "rejected", "a": "accepted"}
        rows = [row(folder=name, site=name, identity=name, state=names[name]) for name in names]

        assert [found.site for found in settle(rows, ACCEPTANCE)[0]] == list("dcab")


class TestStatus:
    """The worst row decides."""

    @pytest.mark.parametrize(
        ("states", "status"),
        [
            (["accepted"], 0),
            (["accepted", "accepted-with-reservations"], 0),
            (["accepted", "incomplete"], 10),
            (["accepted", "missing"], 10),
            (["unfinished"], 10),
            (["incomplete", "rejected"], 1),
            (["incomplete", "untrusted"], 1),
        ],
    )
    def test_worst(self, states: list[State], status: int) -> None:
        """As with a run: rejected before incomplete before accepted."""
        rows = [row(folder=state, identity=state, state=state) for state in states]

        assert table(rows).status == status


class Tags(HTMLParser):
    """The elements of a page and its text."""

    def __init__(self, page: str) -> None:
        """Read a page."""
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep an element."""
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Keep text."""
        self.text += data


HOSTILE = '=HYPERLINK("http://x")</td><script>x</script>\x1b[2J\u202e\r\n@a,"'


class TestWriters:
    """Every format, and what no text can do to it."""

    @pytest.fixture
    def shown(self) -> Table:
        """A table with everything in it."""
        hostile = row(
            folder="/runs/=cmd|\x1b]0;x\x07",
            identity="",
            state="untrusted",
            site=one_line(HOSTILE, 80),
            reason=one_line(HOSTILE, 80),
            outcomes={},
        )
        others = [
            row(folder="r", identity="r", site="-1+1", state="rejected", outcomes=outcomes("fail")),
            row(folder="s", identity="s", site="Sim", simulated=True),
            row(folder="p", identity="p", site="Replay", replayed=True, stage="readiness"),
            row(folder="o", identity="u", site="Ulm", started="2026-11-22T09:00:00Z"),
            row(folder="u", identity="u", site="Ulm"),
        ]
        return table([hostile, *others], everything=True)

    def test_table(self, shown: Table) -> None:
        """Aligned, one line a row, nothing that a terminal obeys."""
        text = "".join(showing.as_table(shown))
        listed = text.splitlines()

        assert listed[0].split()[:3] == ["DHCP", "NTP", "DNS"]
        assert listed[1].split()[:4] == ["Site", "Verdict", "Tested", "01"]
        assert all(character.isprintable() for character in text.replace("\n", ""))
        assert listed[2].startswith("-1+1")
        assert listed[2].count("X") == 11
        assert listed[-1] == (
            "Rejected: 1 · Not trusted: 1 · Does not count as acceptance: 2 · Accepted: 1"
        )
        assert sum("Superseded" in line for line in listed) == 1
        assert "  (Network ready)  " in text
        assert "Judged again. Readiness only. Does not count as acceptance" in text

    def test_german(self, shown: Table) -> None:
        """The words are the certificate's."""
        text = "".join(showing.as_table(shown._replace(language="de", signers=True)))

        assert "Nicht abgenommen" in text
        assert "Simulation bestanden" in text
        assert "zugelassener Schlüssel" in text

    @pytest.mark.parametrize(("language", "said"), [("de", "Inhalt geändert"), ("en", "content")])
    def test_why_nothing_is_trusted(self, language: str, said: str) -> None:
        """In the reader's language, whatever the certificate's is."""
        broken = Row(folder="b", state="untrusted", site="b", reason="junit.xml: content changed")
        text = "".join(showing.as_table(table([broken], language=language)))

        assert f"junit.xml: {said}" in text

    def test_csv(self, shown: Table) -> None:
        """RFC 4180: CRLF, quoted where needed; no cell begins a formula."""
        text = "".join(showing.as_csv(shown))
        head, *rows = csv.reader(io.StringIO(text, newline=""), strict=True)

        assert text.count("\r\n") == text.count("\n") == len(rows) + 1
        assert {len(cells) for cells in rows} == {len(head)}
        assert not any(cell.startswith(comma.FORMULA) for cells in rows for cell in cells)
        bad = dict(zip(head, rows[0], strict=True))
        assert (bad["site"], bad["verdict"], bad["NTP-01"]) == ("'-1+1", "rejected", "fail")
        assert dict(zip(head, rows[1], strict=True))["counts"] == "false"

    def test_json(self, shown: Table) -> None:
        """One document, the keys of the certificate."""
        data = json.loads("".join(showing.as_json(shown)))

        assert data["schema"] == "cube-acceptance/summary/1"
        assert data["exit_status"] == 1
        assert data["totals"] == {
            "untrusted": 1, "rejected": 1, "not-counted": 2, "accepted": 1,
        }  # fmt: skip
        assert [entry["superseded"] for entry in data["certificates"]] == [False] * 5 + [True]
        assert data["certificates"][0]["results"]["SSH-01"] == "fail"
        assert data["certificates"][1]["results"] == {}

    def test_html(self, shown: Table) -> None:
        """A caption, scopes, as many cells in every row; no script, nothing to load."""
        page = "".join(showing.as_html(shown))
        tags = Tags(page)
        names = [name for name, _ in tags.found]
        policy = next(attrs for _, attrs in tags.found if "http-equiv" in attrs)

        assert not {"script", "img", "link", "iframe", "a"} & set(names)
        assert names.count("caption") == 1
        assert {attrs.get("scope") for name, attrs in tags.found if name == "th"} == {"col", "row"}
        assert names.count("th") == 3 + 11 + 1 + 6
        assert names.count("td") == 6 * (2 + 11 + 1)
        assert policy["content"] == "default-src 'none'; style-src 'unsafe-inline'"
        assert "<script>x" in tags.text
        assert "\x1b" not in page
        assert "\u202e" not in page

    def test_html_language(self, shown: Table) -> None:
        """The page says in which language it is."""
        page = "".join(showing.as_html(shown._replace(language="de")))

        assert "&lt;tbody" not in page  # our own elements are no text
        assert "&lt;/table" not in page
        assert '<html lang="de">' in page
        assert "nicht erfüllt" in page


class TestMain:
    """The command as it is typed."""

    def run(self, *arguments: object) -> int:
        """Run it at the tests' time."""
        return command.main([str(argument) for argument in arguments], NOW)

    def test_accepted(self, real: Maker, runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Exit 0 when every site is accepted."""
        real("a")
        real("b", name="Werk Bonn")

        assert self.run(runs) == 0
        assert "Abgenommen: 2" in capsys.readouterr().out

    def test_rejected(
        self, real: Maker, failing: Path, runs: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Exit 1, and what was superseded on request only."""
        real("a")
        real("b", of=failing, later_s=HOUR_S)

        assert self.run(runs, "--lang", "en") == 1
        assert "Superseded" not in capsys.readouterr().out
        assert self.run(runs, "--lang", "en", "--all") == 1
        assert "Superseded" in capsys.readouterr().out

    def test_replayed(self, original: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Exit 10 when something makes no statement."""
        assert self.run(original, "--lang", "en", "--format", "json") == 10
        assert json.loads(capsys.readouterr().out)["totals"] == {"not-counted": 1}

    def test_output(self, real: Maker, tmp_path: Path) -> None:
        """A file is written whole, with the line ends that the format wants."""
        target = tmp_path / "summary.csv"

        assert self.run(real(), "--format", "csv", "--output", target) == 0
        assert target.read_bytes().count(b"\r\n") == 2
        assert [path.name for path in tmp_path.glob(".*")] == []

    def test_output_that_cannot_be_written(
        self, real: Maker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A folder of that name stays as it is, and no half of a file stays beside it."""
        deep = tmp_path / ("a name that fills a cell of the table " * 3)
        target = deep / "summary.csv"
        target.mkdir(parents=True)

        with pytest.raises(SystemExit):
            self.run(real(), "--format", "csv", "--output", target)
        assert f"{target}: Is a directory" in capsys.readouterr().err
        assert [path.name for path in deep.glob(".*")] == []

    def test_stage(self, real: Maker, capsys: pytest.CaptureFixture[str]) -> None:
        """An acceptance counts at either stage."""
        assert self.run(real(), "--stage", "readiness", "--format", "json") == 0
        assert json.loads(capsys.readouterr().out)["stages"] == ["acceptance", "readiness"]

    @pytest.mark.parametrize(
        "arguments",
        [
            (),
            ("{tmp}/nowhere",),
            ("{tmp}", "--format", "pdf"),
            ("{tmp}", "--allowed-signers", "{tmp}/nowhere"),
            ("{tmp}", "--output", "{tmp}/no/where"),
        ],
    )
    def test_usage(
        self, arguments: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A wrong command line is told from a bad certificate."""
        with pytest.raises(SystemExit) as stop:
            self.run(*(argument.format(tmp=tmp_path) for argument in arguments))
        said = capsys.readouterr().err

        assert stop.value.code == 2
        assert "Traceback" not in said

    def test_ended_process(
        self, runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Without all rows there is no table."""

        def ended(*_arguments: object) -> list[Row]:
            raise BrokenProcessPool

        monkeypatch.setattr(command, "check_all", ended)

        assert self.run(runs) == 3
        assert "ended by the system" in capsys.readouterr().err

    def test_poor_terminal(self, real: Maker) -> None:
        """A terminal that knows ASCII only gets what it can show."""
        done = subprocess.run(
            [sys.executable, "-m", "cube_acceptance", "summary", str(real(name="Köln"))],
            cwd=sessions.PROJECT,
            env=os.environ | {"PYTHONIOENCODING": "ascii"},
            capture_output=True,
            check=False,
            timeout=sessions.LIMIT_S,
        )

        assert b"Koeln" in done.stdout or b"in the future" in done.stdout
        assert b"Traceback" not in done.stderr
