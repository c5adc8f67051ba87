"""Everything that can be wrong with a run's folder, one thing at a time."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cube_acceptance import again, evidence_file, run, siblings, suite, verify
from cube_acceptance.certificate.annex import CERTIFICATE_MARK
from cube_acceptance.evidence import DhcpObserved
from cube_acceptance.siblings import BrokenError
from selftests.support import healthy, sessions
from selftests.support.keys import make_key

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An unsigned run's folder."""
    return sessions.run(tmp_path_factory.mktemp("run")).folder


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    """A copy of it to be spoiled."""
    copy = tmp_path / "copy"
    shutil.copytree(original, copy)
    return copy


@pytest.fixture
def certificate(folder: Path) -> dict[str, Any]:
    """Its certificate."""
    return verify.read((folder / "certificate.json").read_bytes())


class TestForm:
    """What is a certificate at all."""

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"{}",
            b"[]",
            b"not JSON",
            b"\xff\xfe",
            b'{"schema": "cube-acceptance/certificate/2"}',
        ],
    )
    def test_nonsense(self, folder: Path, data: bytes) -> None:
        """Only the form is reported, for nothing else can be said."""
        (folder / "certificate.json").write_bytes(data)
        (finding,) = verify.verify(folder)

        assert finding.what == "form"
        assert finding.wrong

    def test_missing(self, tmp_path: Path) -> None:
        """A folder without a certificate is none."""
        (finding,) = verify.verify(tmp_path)

        assert "certificate.json" in finding.wrong

    def test_written_differently(self, folder: Path) -> None:
        """The same JSON in another dress has changed bytes."""
        path = folder / "certificate.json"
        path.write_bytes(json.dumps(json.loads(path.read_bytes())).encode())

        with pytest.raises(BrokenError, match="not written as this suite writes it"):
            verify.read(path.read_bytes())

    def test_unknown_key(self, certificate: dict[str, Any]) -> None:
        """Nothing may be added."""
        with pytest.raises(BrokenError, match="more"):
            verify.read(verify.build.dump(certificate | {"more": 1}))


class TestCompleteness:
    """What the catalogue demands has to be there."""

    def test_another_catalogue(self, folder: Path, certificate: dict[str, Any]) -> None:
        """A shorter list of requirements would be easy to meet."""
        certificate["requirements_document"]["catalogue_sha256"] = "0" * 64

        with pytest.raises(BrokenError, match="another catalogue"):
            verify.check_completeness(certificate, folder)

    def test_a_result_is_missing(self, folder: Path, certificate: dict[str, Any]) -> None:
        """Every entry and subject, in order."""
        del certificate["results"][1]

        with pytest.raises(BrokenError, match="results are not those"):
            verify.check_completeness(certificate, folder)

    def test_a_case_is_missing(self, folder: Path, certificate: dict[str, Any]) -> None:
        """One of two hosts is not enough."""
        del certificate["results"][2]["cases"][0]

        with pytest.raises(BrokenError, match="cases are not those"):
            verify.check_completeness(certificate, folder)


class TestFacts:
    """What certificate and evidence both say."""

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("simulated", True),
            ("stage", "readiness"),
            ("site", {"name": "Werk Bonn", "customer": "Holz AG", "location": "Ulm"}),
            ("item", {"cubes": []}),
            ("people", {"operator": None, "witness": None, "approver": {"name": "x"}}),
            ("vantage", {"host": "elsewhere"}),
            ("requirements_document", {"title": "Anything"}),
            ("site_file", {"name": "werk.toml", "sha256": "0" * 64}),
        ],
    )
    def test_differ(self, folder: Path, certificate: dict[str, Any], key: str, value: Any) -> None:  # noqa: ANN401 - any of them
        """A simulation is no measurement, and one plant's certificate not another's."""
        saved = evidence_file.load(folder / "evidence.json")
        verify.check_facts(certificate, saved)
        certificate[key] = value

        with pytest.raises(BrokenError, match=f"differ in {key}"):
            verify.check_facts(certificate, saved)

    @pytest.mark.parametrize("key", verify.TIMES)
    def test_differ_in_time(self, folder: Path, certificate: dict[str, Any], key: str) -> None:
        """An old run is no new one."""
        certificate["time"][key] = None

        with pytest.raises(BrokenError, match="differ in time"):
            verify.check_facts(certificate, evidence_file.load(folder / "evidence.json"))


class TestContent:
    """The hash that stands on paper."""

    def test_changed(self, certificate: dict[str, Any]) -> None:
        """Every word of a certificate is bound by it."""
        assert verify.check_content(certificate) == ""
        certificate["results"][0]["reason"] += "."

        with pytest.raises(BrokenError, match="content changed"):
            verify.check_content(certificate)

    def test_does_not_cover_the_files(self, certificate: dict[str, Any]) -> None:
        """The page shows it, and is one of them."""
        certificate["files"]["certificate.html"] = "0" * 64

        assert verify.check_content(certificate) == ""

    def test_taken_away(self, certificate: dict[str, Any]) -> None:
        """Only versions that name no suite gave none."""
        del certificate["content_sha256"]

        with pytest.raises(BrokenError, match="content changed"):
            verify.check_content(certificate)


class TestVerdict:
    """The verdict follows from the outcomes."""

    def test_another_verdict(self, certificate: dict[str, Any]) -> None:
        """What it says and what follows are named."""
        certificate["results"][0]["outcome"] = "fail"

        with pytest.raises(BrokenError, match="says accepted, its outcomes say rejected"):
            verify.check_verdict(certificate)


class TestFiles:
    """Hashes, strangers, the page."""

    def test_a_stranger(self, folder: Path, certificate: dict[str, Any]) -> None:
        """Nothing may be slipped in."""
        (folder / "certificate (1).html").write_text("")

        with pytest.raises(BrokenError, match=r"certificate \(1\)\.html: of other origin"):
            siblings.check(certificate, folder)

    @pytest.mark.parametrize("name", ["../evidence.json", ".evidence", "certificate.json", ""])
    def test_an_impossible_name(self, folder: Path, certificate: dict[str, Any], name: str) -> None:
        """What a certificate lists is no way to have any file of this computer read."""
        certificate["files"][name] = "0" * 64

        with pytest.raises(BrokenError, match="lists files that no run makes"):
            siblings.check(certificate, folder)

    def test_one_that_is_not_listed(self, folder: Path, certificate: dict[str, Any]) -> None:
        """Evidence, report and page belong to every certificate."""
        certificate["files"].clear()

        with pytest.raises(BrokenError) as broken:
            siblings.check(certificate, folder)

        assert str(broken.value).count("content changed") == 3

    def test_one_of_another_version(self, folder: Path, certificate: dict[str, Any]) -> None:
        """What later versions put beside a certificate belongs to it if it is listed."""
        (folder / "later.txt").write_text("x")
        certificate["files"]["later.txt"] = run.sha256(b"x")
        siblings.check(certificate, folder)
        (folder / "later.txt").write_text("y")

        with pytest.raises(BrokenError, match=r"later\.txt: content changed"):
            siblings.check(certificate, folder)

    @pytest.mark.parametrize("name", ["evidence.json", "junit.xml", "certificate.html"])
    def test_missing(self, folder: Path, certificate: dict[str, Any], name: str) -> None:
        """One that got lost on the way."""
        (folder / name).unlink()

        with pytest.raises(BrokenError, match=f"{name}: file missing"):
            siblings.check(certificate, folder)

    @pytest.mark.parametrize("name", ["evidence.json", "junit.xml", "certificate.html"])
    def test_line_ends(self, folder: Path, certificate: dict[str, Any], name: str) -> None:
        """A mail or version control program has meant it well, in either direction."""
        data = (folder / name).read_bytes()
        windows = data.replace(b"\n", b"\r\n") + b"\r\n"
        (folder / name).write_bytes(windows)
        certificate["files"][name] = run.sha256(windows.replace(b"\r\n", b"\n"))

        with pytest.raises(BrokenError, match=f"{name}: line ends changed"):
            siblings.check(certificate, folder)
        (folder / name).write_bytes(windows.replace(b"\r\n", b"\n"))
        certificate["files"][name] = run.sha256(windows)
        with pytest.raises(BrokenError, match=f"{name}: line ends changed"):
            siblings.check(certificate, folder)

    @pytest.mark.parametrize(
        ("name", "old", "new", "what"),
        [
            ("evidence.json", '"started": "2026', '"started": "2025', "file of another run"),
            ("evidence.json", '"started"', '"begun"', "content changed"),
            ("evidence.json", "{", "[", "content changed"),
            ("junit.xml", '_id" value="', '_id" value="0', "file of another run"),
            ("junit.xml", "<testsuite ", "<group ", "content changed"),
            ("junit.xml", "testcase", "case", "content changed"),
            ("certificate.html", "</p>", "</p> ", "content changed"),
        ],
    )
    def test_changed(
        self, folder: Path, certificate: dict[str, Any], name: str, old: str, new: str, what: str
    ) -> None:
        """A change is told from a file that somebody took from the wrong folder."""
        certificate["replayed"] = False  # a replay's report has a later date of its own
        certificate["time"]["ended"] = "2099-01-01T00:00:00.000Z"
        path = folder / name
        path.write_text(path.read_text("utf-8").replace(old, new), "utf-8")
        if name == "evidence.json":
            certificate["time"]["ended"] = healthy.ENDED

        assert siblings.trouble(name, certificate["files"][name], certificate, folder) == what

    @pytest.mark.parametrize(
        ("began", "replayed", "another"),
        [
            (healthy.STARTED, False, False),
            ("2019-11-23T09:00:00Z", False, True),
            ("2019-11-23T09:00:00Z", True, False),
        ],
    )
    def test_a_report_from_before_it_named_its_certificate(
        self, certificate: dict[str, Any], began: str, *, replayed: bool, another: bool
    ) -> None:
        """It was begun with the measurements, but for a replay's, of which nobody knows."""
        report = f'<testsuites><testsuite timestamp="{began}"/></testsuites>'.encode()
        told = certificate | {"replayed": replayed}

        assert siblings.is_of_another_run("junit.xml", report, told) is another

    def test_the_page_of_another_run(
        self, folder: Path, certificate: dict[str, Any], rejected: Path
    ) -> None:
        """It is named as such, and shows another certificate."""
        shutil.copy(rejected / "certificate.html", folder)

        with pytest.raises(BrokenError, match=r"certificate\.html: file of another run"):
            siblings.check(certificate, folder)
        with pytest.raises(BrokenError, match="does not show this certificate"):
            verify.check_page(certificate, folder)

    def test_another_page(self, folder: Path, certificate: dict[str, Any]) -> None:
        """A page that shows something else, number and hash included."""
        shown = (
            f"<h1>Abgenommen</h1>{certificate['certificate_id']} {certificate['content_sha256']}"
        )
        (folder / "certificate.html").write_text(shown)

        with pytest.raises(BrokenError, match=r"certificate\.html: content changed"):
            siblings.check(certificate, folder)
        with pytest.raises(BrokenError, match="does not show this certificate"):
            verify.check_page(certificate, folder)

    @pytest.mark.parametrize("name", siblings.REQUESTS)
    def test_another_request(
        self, folder: Path, certificate: dict[str, Any], rejected: Path, name: str
    ) -> None:
        """A rule that nobody needs must not get into a ticket with this certificate's number."""
        shutil.copy(rejected / name, folder)
        with pytest.raises(BrokenError, match=f"{name}: file of another run"):
            siblings.check(certificate, folder)

        (folder / name).write_text("Any to any.\n")
        certificate["files"][name] = run.sha256((folder / name).read_bytes())
        siblings.check(certificate, folder)
        with pytest.raises(BrokenError, match=f"{name} does not ask for what"):
            verify.check_page(certificate, folder)
        del certificate["files"][name]
        with pytest.raises(BrokenError, match=f"{name} does not ask for what"):
            verify.check_page(certificate, folder)

    @pytest.mark.parametrize("name", ["junit.xml", "certificate.json", "certificate.pdf"])
    def test_a_pipe(self, folder: Path, name: str) -> None:
        """It would keep the reader waiting for ever."""
        (folder / name).unlink(missing_ok=True)
        os.mkfifo(folder / name)
        (finding,) = verify.verify(folder)

        assert (finding.what, finding.wrong) == ("form", f"{name} is no plain file")

    def test_a_flood(self, folder: Path) -> None:
        """This one has no blocks on the disk."""
        os.truncate(folder / "evidence.json", evidence_file.FILE_LIMIT + 1)
        (finding,) = verify.verify(folder)

        assert "evidence.json has more than" in finding.wrong

    def test_what_trips_the_page(
        self, folder: Path, certificate: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A content that no code of ours expects is a finding and no traceback."""
        monkeypatch.setattr(verify, "check_outcomes", lambda _certificate, _folder: None)
        certificate["time"]["utc_offset_min"] = 10**12
        certificate["content_sha256"] = verify.build.content_sha256(certificate)
        with (folder / "certificate.html").open("a") as page:
            page.write(certificate["content_sha256"])
        rehash(folder, certificate)
        wrong = {finding.what: finding.wrong for finding in verify.verify(folder) if finding.wrong}

        assert wrong.keys() == {"page"}
        assert "Error: " in wrong["page"]


def forge(folder: Path, page: Callable[[str], str] = str, **changes: object) -> None:
    """Change a folder as whoever has this suite can: with all hashes, and the page, made anew."""
    saved = evidence_file.load(folder / "evidence.json")
    certificate = verify.read((folder / "certificate.json").read_bytes())
    annex = page(again.annex_of(certificate, saved, folder))
    certificate |= changes
    certificate["content_sha256"] = verify.build.content_sha256(certificate)
    for name, data in run.requests(certificate).items():
        (folder / name).write_bytes(data)
        certificate["files"][name] = run.sha256(data)
    fragment = run.certificate_part(certificate, saved)
    whole = annex.replace(CERTIFICATE_MARK, fragment, 1)
    (folder / "certificate.html").write_bytes(whole.encode())
    rehash(folder, certificate)


def rehash(folder: Path, certificate: dict[str, Any]) -> None:
    """Write a certificate with the hashes of the files that lie beside it."""
    for name in ("evidence.json", "junit.xml", "certificate.html"):
        certificate["files"][name] = run.sha256((folder / name).read_bytes())
    (folder / "certificate.json").write_bytes(verify.build.dump(certificate))


@pytest.fixture(scope="module")
def rejected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a site whose DHCP server is silent."""
    silent = DhcpObserved(started=healthy.STARTED, duration_s=10.0)
    saved = healthy.saved({"dhcp": silent})
    return sessions.run(tmp_path_factory.mktemp("run"), "-m", "required", saved=saved).folder


@pytest.fixture(scope="module")
def judged(rejected: Path) -> again.Again:
    """What its evidence says."""
    return again.judge_again("de", rejected)


class TestJudgingAgain:
    """The cases judge again, wherever they lie."""

    def test_in_a_folder_named_as_a_variable_is_written(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rejected: Path
    ) -> None:
        """Variables in the path of its root are replaced by pytest."""
        link = tmp_path / "in $HOME"
        link.symlink_to(suite.PROJECT, target_is_directory=True)
        monkeypatch.setattr(suite, "PROJECT", link)

        assert again.judge_again("de", rejected).judgements["DHCP-01"].cause == "no-answer"


class TestForged:
    """A folder in which everything was changed to fit, but for the evidence."""

    @pytest.fixture
    def spoiled(
        self, rejected: Path, judged: again.Again, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> Path:
        """A copy to be forged; judging it again gives the same every time."""
        monkeypatch.setattr(again, "judge_again", lambda _language, _folder: judged)
        copy = tmp_path / "copy"
        shutil.copytree(rejected, copy)
        return copy

    def wrong(self, folder: Path) -> dict[str, str]:
        """What does not hold."""
        return {finding.what: finding.wrong for finding in verify.verify(folder) if finding.wrong}

    def test_untouched(self, spoiled: Path) -> None:
        """A part of the cases is no defect; nor is writing everything anew."""
        assert self.wrong(spoiled) == {}
        forge(spoiled)

        assert self.wrong(spoiled) == {}

    def test_made_with_other_packages(self, spoiled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Another release of pytest-html frames the certificate differently; that is no forgery."""
        forge(spoiled, lambda page: page.replace("<body>", "<body><div></div>"))
        monkeypatch.setattr(verify.method, "packages", lambda: {"pytest-html": "99"})

        assert self.wrong(spoiled) == {}

    def test_simulation_made_real(self, spoiled: Path) -> None:
        """And the other way round: they differ."""
        forge(spoiled, simulated=True)

        assert self.wrong(spoiled) == {"outcomes": "certificate and evidence differ in simulated"}

    @pytest.mark.parametrize(
        ("old", "new", "reason"),
        [
            ("</head>", "<style>main { display: none }</style></head>", "something beside"),
            ("<body>", "<body><h1>Abgenommen</h1>", "something beside"),
            (" · Werk Ulm · ", " · Abgenommen · ", "something beside"),
            ("&#34;Failed&#34;", "&#34;Passed&#34;", "dhcp_server_offers_an_address passed"),
            (
                "&#34;environment&#34;: {",
                "&#34;environment&#34;: {&#34;x&#34;: &#34;&lt;h1&gt;&#34;, ",
                "more than text",
            ),
        ],
    )
    def test_page(self, spoiled: Path, old: str, new: str, reason: str) -> None:
        """The certificate is there, and another one stands in front of it."""
        forge(spoiled, lambda page: page.replace(old, new))
        wrong = self.wrong(spoiled)

        assert wrong.keys() == {"outcomes"}
        assert reason in wrong["outcomes"]

    @pytest.mark.parametrize(
        ("old", "new", "reason"),
        [
            (r"(?s)<failure.*?</failure>", "", "junit.xml calls DHCP-01 passed"),
            (r'failures="\d+"', 'failures="0"', "counts fewer failures"),
            (
                r'(?s)<property name="acceptance_case" value="DIAG.*?/>',
                "",
                "calls something passed",
            ),
        ],
    )
    def test_report(self, spoiled: Path, old: str, new: str, reason: str) -> None:
        """A CI system reads nothing but this file."""
        report = spoiled / "junit.xml"
        report.write_text(re.sub(old, new, report.read_text("utf-8")), "utf-8")
        forge(spoiled)

        assert reason in self.wrong(spoiled)["outcomes"]

    def test_print(self, spoiled: Path) -> None:
        """Nothing in an unsigned folder says of what certificate it is."""
        (spoiled / "certificate.pdf").write_bytes(b"%PDF-1.4")

        assert "may show anything" in self.wrong(spoiled)["signature"]


class TestAnotherVersion:
    """What another version made is verified by what it says itself."""

    @pytest.fixture
    def foreign(self, folder: Path, certificate: dict[str, Any]) -> Path:
        """A folder that another version made: its page looks different, its data has more."""
        page = (folder / "certificate.html").read_text("utf-8").replace("<h2", "<h2 class='x'")
        certificate["method"] |= {"suite_sha256": "0" * 64, "version": "9.0.0", "commit": ""}
        certificate["more"] = 1
        before = certificate["content_sha256"]
        certificate["content_sha256"] = verify.build.content_sha256(certificate)
        page = page.replace(before, certificate["content_sha256"])
        (folder / "certificate.html").write_text(page, "utf-8")
        rehash(folder, certificate)
        return folder

    @pytest.fixture
    def spoil(self, foreign: Path) -> Callable[..., dict[str, Any]]:
        """Its certificate, with some keys changed."""
        certificate = verify.read((foreign / "certificate.json").read_bytes())
        return lambda **changes: certificate | changes

    def test_holds(self, foreign: Path) -> None:
        """Nothing is called false, and who made it is said."""
        findings = {one.what: one for one in verify.verify(foreign)}

        assert not any(one.wrong for one in findings.values())
        assert findings["outcomes"].note.startswith("made by version 9.0.0; this one, ")
        assert findings["outcomes"].note.endswith("judges alike")

    def test_judged_differently_today(
        self, foreign: Path, spoil: Callable[..., dict[str, Any]], judged: again.Again,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        """Which results differ is information."""
        monkeypatch.setattr(again, "judge_again", lambda _language, _folder: judged)
        note = verify.check_outcomes(spoil(), foreign)

        assert "would judge differently: DHCP-01 site fail instead of pass" in note

    def test_with_a_level_of_its_own(
        self, foreign: Path, spoil: Callable[..., dict[str, Any]]
    ) -> None:
        """Whoever calls a requirement optional is told apart, whatever came of it."""
        certificate = spoil()
        certificate["results"][0]["level"] = "optional"
        note = verify.check_outcomes(certificate, foreign)

        assert "DHCP-01 site required instead of optional" in note

    def test_with_a_requirement_of_its_own(
        self, foreign: Path, spoil: Callable[..., dict[str, Any]]
    ) -> None:
        """A later catalogue may ask for more."""
        certificate = spoil()
        more = certificate["results"][0] | {"requirement": "VLAN-01"}
        certificate["results"].append(more)
        verify.check_completeness(certificate, foreign)

        assert "VLAN-01 site no result instead of pass" in verify.check_outcomes(
            certificate, foreign
        )

    def test_evidence_that_this_version_cannot_judge(
        self, foreign: Path, spoil: Callable[..., dict[str, Any]]
    ) -> None:
        """It is said, and nothing is false."""
        path = foreign / "evidence.json"
        path.write_text(path.read_text("utf-8").replace("evidence/1", "evidence/2"), "utf-8")

        assert "cannot judge its evidence: " in verify.check_outcomes(spoil(), foreign)

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            (lambda results: results.pop(0), "no result for DHCP-01"),
            (lambda results: results.append(results[0]), "in no order"),
            (lambda results: results[0].update(subject="line-9"), "not about the site or every"),
            (lambda results: results[0].update(requirement="x"), "no result for DHCP-01"),
            (
                lambda results: results.append(results[0] | {"requirement": "<b>"}),
                "no catalogue asks for",
            ),
            (lambda results: results[0].update(outcome="fail"), "outcome for DHCP-01"),
            (lambda results: results[0].update(cases=[]), "outcome for DHCP-01"),
            (
                lambda results: results[0].update(waiver={}, outcome="waived"),
                "outcome for DHCP-01",
            ),
        ],
    )
    def test_that_is_not_whole(
        self, spoil: Callable[..., dict[str, Any]], change: Callable[[Any], object], reason: str
    ) -> None:
        """Left out, put in, or made better than its cases."""
        certificate = spoil()
        change(certificate["results"])

        with pytest.raises(BrokenError, match=reason):
            verify.check_whole(certificate)

    def test_with_more_than_a_catalogue(self, spoil: Callable[..., dict[str, Any]]) -> None:
        """A summary has a column for each."""
        certificate = spoil()
        first = certificate["results"][0]
        certificate["results"] += [
            first | {"requirement": f"MORE-{number}"} for number in range(10, 80)
        ]

        with pytest.raises(BrokenError, match="no catalogue asks for"):
            verify.check_whole(certificate)

    def test_with_a_waiver(self, spoil: Callable[..., dict[str, Any]]) -> None:
        """It covers a failure."""
        certificate = spoil()
        result = certificate["results"][0]
        result |= {"waiver": {"requirement": "DHCP-01"}, "outcome": "waived"}
        result["cases"][0]["outcome"] = "fail"
        verify.check_whole(certificate)

    @pytest.mark.parametrize("key", ["time", "simulated", "stage", "site", "item"])
    def test_with_the_evidence_of_another_run(
        self, foreign: Path, spoil: Callable[..., dict[str, Any]], key: str
    ) -> None:
        """Whatever the hashes say."""
        other: dict[str, Any] = {
            "time": {"started": "2020-01-01T00:00:00.000Z", "ended": healthy.ENDED},
            "simulated": True,
            "stage": "readiness",
            "site": {"name": "Werk Bonn", "customer": "", "location": ""},
            "item": {"cubes": []},
        }

        with pytest.raises(BrokenError, match=f"differ in {key}"):
            verify.check_outcomes(spoil(**{key: other[key]}), foreign)

    def test_with_a_key_twice(self, foreign: Path) -> None:
        """One reader would see the first, another one the last."""
        data = (foreign / "certificate.json").read_bytes()
        doubled = data.replace(b'"verdict":', b'"verdict": "rejected",\n "verdict":', 1)

        with pytest.raises(BrokenError, match="a key stands twice"):
            verify.read(doubled)

    def test_written_in_a_way_of_its_own(self, foreign: Path) -> None:
        """How far it indents is no matter of content."""
        data = (foreign / "certificate.json").read_bytes()

        assert verify.read(json.dumps(json.loads(data)).encode()) == json.loads(data)

    def test_without_what_lasts(self, spoil: Callable[..., dict[str, Any]]) -> None:
        """What a reader of any version may rely on has to be there."""
        with pytest.raises(BrokenError, match="verdict"):
            verify.read(verify.build.dump(spoil(verdict="fine")))


class TestOutcomes:
    """Judged again, the evidence has to give the same."""

    def test_other_outcomes(self, folder: Path, certificate: dict[str, Any]) -> None:
        """The requirements that differ are named."""
        certificate["results"][0] |= {"outcome": "fail", "cause": "no-answer"}

        with pytest.raises(BrokenError, match="DHCP-01 site pass instead of fail"):
            verify.check_outcomes(certificate, folder)

    def test_other_details(self, folder: Path, certificate: dict[str, Any]) -> None:
        """A changed sentence is noticed as well."""
        certificate["results"][0]["cases"][0]["observed"]["server"] = "10.9.9.9"

        with pytest.raises(BrokenError, match="in the details"):
            verify.check_outcomes(certificate, folder)

    def test_no_evidence(self, folder: Path, certificate: dict[str, Any]) -> None:
        """Without evidence there is nothing to judge."""
        (folder / "evidence.json").write_text("{}")

        with pytest.raises(BrokenError, match="cannot be judged again"):
            verify.check_outcomes(certificate, folder)

    def test_no_cases(
        self,
        folder: Path,
        certificate: dict[str, Any],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """An installation without the cases says so."""
        monkeypatch.setattr(suite, "PROJECT", tmp_path)

        with pytest.raises(BrokenError, match="install the suite again"):
            verify.check_outcomes(certificate, folder)

    def test_options_from_the_environment(
        self, folder: Path, certificate: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What somebody set for pytest on this computer selects no cases."""
        monkeypatch.setenv("PYTEST_ADDOPTS", "-k nothing")

        verify.check_outcomes(certificate, folder)

    def test_too_slow(
        self, folder: Path, certificate: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A replay that hangs is given up."""
        monkeypatch.setattr(again, "REPLAY_LIMIT_S", 0.01)

        with pytest.raises(BrokenError, match="did not finish"):
            verify.check_outcomes(certificate, folder)

    def test_unobserved_cases_may_differ_in_time(self) -> None:
        """What was never observed has no time of its own."""
        case = {"evidence": [], "started": "now", "duration_s": 0.0, "outcome": "not-run"}

        assert again.comparable([case]) == [{"evidence": [], "outcome": "not-run"}]


class TestSignature:
    """Announced and present, or neither."""

    def test_unannounced(self, folder: Path, certificate: dict[str, Any]) -> None:
        """A signature from somewhere."""
        (folder / "certificate.json.sig").write_text("")

        with pytest.raises(BrokenError, match="does not announce"):
            verify.check_signature(certificate, b"", folder, None)

    def test_demanded(self, folder: Path, certificate: dict[str, Any]) -> None:
        """Who names allowed signers wants a signature."""
        with pytest.raises(BrokenError, match="not signed"):
            verify.check_signature(certificate, b"", folder, folder / "signers")

    def test_of_another_certificate(
        self, folder: Path, certificate: dict[str, Any], sign: Callable[[str], str]
    ) -> None:
        """A good signature by the announced key, over something else."""
        certificate["signature"] = {"fingerprint": sign("certificate.json"), "command": ""}

        with pytest.raises(verify.signature.SignatureError):
            verify.check_signature(certificate, b"another certificate", folder, None)

    def test_missing(self, folder: Path, certificate: dict[str, Any]) -> None:
        """Announced and taken away."""
        certificate["signature"] = {"fingerprint": "SHA256:x", "command": ""}

        with pytest.raises(BrokenError, match="is missing"):
            verify.check_signature(certificate, b"", folder, None)

    @pytest.fixture
    def sign(self, folder: Path, tmp_path: Path) -> Callable[[str], str]:
        """Sign a file of the folder with a new key and give the fingerprint."""

        def signing(name: str) -> str:
            key = make_key(tmp_path / f"key for {name}")
            verify.signature.sign(folder / name, key)
            return verify.signature.fingerprint(key)

        return signing

    def test_by_another_key(
        self, folder: Path, certificate: dict[str, Any], sign: Callable[[str], str]
    ) -> None:
        """The announced key has to be the one that signed."""
        certificate["signature"] = {"fingerprint": "SHA256:x", "command": ""}
        sign("certificate.json")
        data = (folder / "certificate.json").read_bytes()

        with pytest.raises(BrokenError, match="not by SHA256:x"):
            verify.check_signature(certificate, data, folder, None)

    def test_print_by_the_same_key(
        self, folder: Path, certificate: dict[str, Any], sign: Callable[[str], str], tmp_path: Path
    ) -> None:
        """Certificate and print belong together."""
        fingerprint = sign("certificate.json")
        certificate["signature"] = {"fingerprint": fingerprint, "command": ""}
        (folder / "certificate.pdf").write_bytes(b"%PDF-1.4")
        verify.signature.sign(folder / "certificate.pdf", tmp_path / "key for certificate.json")
        data = (folder / "certificate.json").read_bytes()

        verify.check_signature(certificate, data, folder, None)

    def test_print_by_another_key(
        self, folder: Path, certificate: dict[str, Any], sign: Callable[[str], str]
    ) -> None:
        """The print is signed by the same key."""
        fingerprint = sign("certificate.json")
        certificate["signature"] = {"fingerprint": fingerprint, "command": ""}
        (folder / "certificate.pdf").write_bytes(b"%PDF-1.4")
        sign("certificate.pdf")
        data = (folder / "certificate.json").read_bytes()

        with pytest.raises(BrokenError, match=r"certificate\.pdf was signed by"):
            verify.check_signature(certificate, data, folder, None)


class TestMain:
    """The command's two kinds of lines."""

    def test_holds(self, original: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """One line, exit 0."""
        assert verify.main([str(original), "--lang", "en"]) == 0
        assert capsys.readouterr().out.splitlines() == [
            "says: Accepted, judged again from saved evidence",
            "holds: form, completeness, verdict, content, files, page, outcomes",
            "signature: not signed, so nothing says who made it",
        ]

    def test_in_german(self, folder: Path) -> None:
        """Every line, what was found and what is known of it; names of files stay."""
        found = [
            *(verify.Finding("form"), verify.Finding("files", "notes: of other origin")),
            verify.Finding("outcomes", note="made by version 1; this one, 2, judges alike"),
        ]

        assert verify.lines(folder, found, "de") == [
            "Urteil: Abgenommen, aus gespeicherten Messwerten erneut ausgewertet",
            "in Ordnung: Form",
            "Ergebnisse: gemacht von Version 1; diese, 2, urteilt gleich",
            "nicht in Ordnung: Dateien: notes: gehört nicht dazu",
        ]

    def test_does_not_hold(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """What does not hold is said without what a terminal would obey."""
        place = tmp_path / "\x1b[2J"
        place.mkdir()
        (place / "certificate.json").write_text('"\\u001b[2J"')
        assert verify.main([str(place), "--lang", "en"]) == 1
        said = capsys.readouterr().out

        assert said.startswith("holds: nothing\ndoes not hold: form: ")
        assert "\x1b" not in said

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({}, "Accepted"),
            ({"verdict": "rejected", "stage": "readiness"}, "Network not ready, readiness only"),
            ({"simulated": True}, "Simulation passed, SIMULATED, which proves nothing"),
            ({"replayed": True}, "Accepted, judged again from saved evidence"),
        ],
    )
    def test_names_the_verdict(
        self, certificate: dict[str, Any], changes: dict[str, Any], said: str
    ) -> None:
        """A forged acceptance and a rehearsal both verify; a reader has to see which it is."""
        assert verify.kind(certificate | {"replayed": False} | changes, "en") == said

    @pytest.mark.parametrize("name", ["gone", "file"])
    def test_no_such_folder(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
    ) -> None:
        """A mistyped path is no finding about a certificate."""
        (tmp_path / "file").touch()

        assert verify.main([str(tmp_path / name)]) == 4
        assert "no such folder" in capsys.readouterr().err

    def test_says_it_on_any_terminal(self, tmp_path: Path) -> None:
        """What a terminal cannot show is written with what it has."""
        done = subprocess.run(
            [sys.executable, "-m", "cube_acceptance", "verify", str(tmp_path / "Jörg")],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"PYTHONIOENCODING": "ascii"},
        )

        assert done.returncode == 4
        assert "Joerg" in done.stderr
        assert not done.stdout

    def test_replayed_certificate_holds(self, original: Path, tmp_path: Path) -> None:
        """A folder made by a replay proves itself like any other."""
        evidence = str(original / "evidence.json")
        folder = sessions.start(tmp_path, "--replay", evidence).folder

        assert not any(finding.wrong for finding in verify.verify(folder))

    def test_rejected_certificate_holds(self, tmp_path: Path) -> None:
        """It is the proof that counts, not the verdict."""
        saved = healthy.saved({"ntp/10.20.0.1": None})
        folder = sessions.run(tmp_path, saved=saved).folder

        assert not any(finding.wrong for finding in verify.verify(folder))

    def test_a_file_that_cannot_be_read(self, folder: Path) -> None:
        """It is named, without the path that the reader knows and the system's number."""
        (folder / "request.txt").unlink()
        wrong = {one.what: one.wrong for one in verify.verify(folder) if one.wrong}

        assert wrong == {
            "files": "request.txt: file missing",
            "page": "request.txt: No such file or directory",
        }


class TestKept:
    """Parts of a check, on folders that released versions made."""

    RELEASED = Path(__file__).parents[1] / "released"

    def test_a_page_that_no_hash_binds(self) -> None:
        """Versions before 0.1.0 gave none."""
        folder = self.RELEASED / "before-0.1.0" / "accepted"
        _, certificate = verify.opened(folder)

        assert "no hash binds it" in verify.check_page(certificate, folder)

    def test_a_signature_that_holds(self) -> None:
        """Nothing more is to be said."""
        folder = self.RELEASED / "0.1.0" / "signed"
        data, certificate = verify.opened(folder)

        assert verify.check_signed(certificate, data, folder, None) == ""


class TestOpened:
    """A certificate as it lies in its folder."""

    def test_beside_strangers(self, folder: Path) -> None:
        """What else lies there is somebody else's question."""
        (folder / "notes.txt").write_text("by hand")

        assert verify.opened(folder)[1]["verdict"] == "accepted"

    def test_with_other_line_ends(self, folder: Path) -> None:
        """A mail program may have changed them."""
        certificate = folder / "certificate.json"
        certificate.write_bytes(certificate.read_bytes().replace(b"\n", b"\r\n"))

        with pytest.raises(BrokenError, match="line ends changed"):
            verify.opened(folder)
