"""Tests of evidence.json: what is written can be judged, and what is foreign is refused."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import msgspec
import pytest

from cube_acceptance import evidence_file
from cube_acceptance.evidence_file import EvidenceError, check_belonging, dump, load
from cube_acceptance.setup import Ports
from cube_acceptance.site import Cube
from selftests.support import healthy
from selftests.support.builders import cannot
from selftests.support.conditions import tunnel
from selftests.support.healthy import ENDED, STARTED, observations, saved


class TestBelongs:
    """Evidence can be put together from that of other runs."""

    @pytest.mark.parametrize("key", healthy.observations())
    def test_what_was_measured_does(self, key: str) -> None:
        """Every kind of observation, under the key that its probe gives it."""
        assert evidence_file.belongs(key, healthy.observations()[key])

    @pytest.mark.parametrize(
        ("key", "under"),
        [
            ("ntp/10.20.0.1", "ntp/10.20.0.2"),
            ("dns/10.20.0.1/disco.tapio.one", "dns/10.20.0.1/connect.homag.cloud"),
            ("dns/10.20.0.1/disco.tapio.one", "dns/10.20.0.2/disco.tapio.one"),
            ("dns/10.20.0.1/disco.tapio.one", "dns/10.20.0.1/invalid"),
            ("https/disco.tapio.one", "https/connect.homag.cloud"),
            ("page/10.20.0.50:80", "page/10.20.0.50:5555"),
            ("page/10.20.0.50:80", "page/10.20.0.51:80"),
            ("ping/10.20.0.50", "ping/10.20.0.51"),
            ("ssh/10.20.0.50", "ssh/10.20.0.51"),
        ],
    )
    def test_what_was_moved_does_not(self, key: str, under: str) -> None:
        """It says itself what it is about."""
        assert not evidence_file.belongs(under, healthy.observations()[key])

    def test_what_a_cube_itself_reached(self) -> None:
        """It is of one CUBE and one host."""
        (key, seen) = next(iter(tunnel().items()))
        assert seen

        assert evidence_file.belongs(key, seen)
        assert not evidence_file.belongs(key.replace("line-1", "line-2"), seen)
        assert not evidence_file.belongs("tunnel/line-1/connect.homag.cloud", seen)


class TestDumpAndLoad:
    """``evidence.json``."""

    def test_round_trip(self, tmp_path: Path) -> None:
        """Replay sees what was saved, and saving again gives the same bytes."""
        path = tmp_path / "evidence.json"
        path.write_bytes(dump(saved()))

        assert load(path) == saved()
        assert dump(load(path)) == path.read_bytes()

    def test_round_trip_of_an_obstacle(self, tmp_path: Path) -> None:
        """A run without a vantage can be judged again."""
        path = tmp_path / "evidence.json"
        path.write_bytes(dump(saved(vantage=cannot("off-link"))))

        assert load(path).setup.vantage == cannot("off-link")

    def test_is_readable(self) -> None:
        """People look into it as well."""
        text = dump(saved()).decode()

        assert text.endswith("}\n")
        assert text.count("\n") > 100
        assert json.loads(text)["observations"].keys() == observations().keys()

    def changed(self, **changes: object) -> bytes:
        """The healthy evidence with some keys of its top level changed."""
        return json.dumps(json.loads(dump(saved())) | changes).encode()

    def test_refuses_what_is_not_there(self, tmp_path: Path) -> None:
        """A wrong path is a sentence and no traceback."""
        with pytest.raises(EvidenceError, match="No such file"):
            load(tmp_path / "evidence.json")
        with pytest.raises(EvidenceError, match="directory"):
            load(tmp_path)

    @pytest.mark.parametrize(
        "data", [b"", b"\xff\xfe", b"[]", b"null", b"<html>", b'{"a":', b"[" * 100_000]
    )
    def test_refuses_what_is_no_evidence(self, tmp_path: Path, data: bytes) -> None:
        """Any other file that somebody names by mistake."""
        path = tmp_path / "evidence.json"
        path.write_bytes(data)

        with pytest.raises(EvidenceError, match="no evidence file"):
            load(path)

    @pytest.mark.parametrize(
        "schema",
        ["cube-acceptance/evidence/2", "cube-acceptance/certificate/1", "", None, 1, ["x" * 500]],
    )
    def test_refuses_another_schema(self, tmp_path: Path, schema: object) -> None:
        """What another version wrote may mean something else."""
        path = tmp_path / "evidence.json"
        path.write_bytes(self.changed(schema=schema))

        with pytest.raises(EvidenceError, match="this version judges cube-acceptance/evidence/1"):
            load(path)

    def test_refuses_no_schema(self, tmp_path: Path) -> None:
        """Some other JSON."""
        path = tmp_path / "evidence.json"
        path.write_bytes(b"{}")

        with pytest.raises(EvidenceError, match="null"):
            load(path)

    @pytest.mark.parametrize(
        "changes",
        [
            {"observations": []},
            {"observations": {"dhcp": {"type": "dhcp"}}},
            {"observations": {"dhcp": {"type": "dhpc", "started": STARTED, "duration_s": 1.0}}},
            {"extra": 1},
            {"setup": {}},
            {"started": "yesterday"},
            {"ended": "2026-13-01T00:00:00.000Z"},
            {"started": None},
            {"started": "2026-11-23"},
            {"started": "2026-11-23T09:00:00.000"},
            {"started": "2026-11-23T10:00:00.000+01:00"},
            {"started": "0001-01-01T00:00:00.000Z"},
            {"ended": "9999-12-31T23:59:59.999Z"},
        ],
    )
    def test_refuses_what_does_not_fit(self, tmp_path: Path, changes: dict[str, object]) -> None:
        """Evidence that was changed by hand must not be judged half."""
        path = tmp_path / "evidence.json"
        path.write_bytes(self.changed(**changes))

        with pytest.raises(EvidenceError, match=r"evidence\.json: "):
            load(path)

    @pytest.mark.parametrize("place", ["{", '"observations": {'])
    def test_refuses_a_key_that_stands_twice(self, tmp_path: Path, place: str) -> None:
        """One reader would see the first, another one the last."""
        text = dump(saved()).decode()
        begin = text.index(place) + len(place)
        once = text[begin : text.index('"dns/' if len(place) > 1 else '"observations"')]
        path = tmp_path / "evidence.json"
        path.write_text(f"{text[:begin]}{once}{text[begin:]}")

        with pytest.raises(EvidenceError, match="a key stands twice"):
            load(path)

    def test_refuses_what_has_no_end(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A pipe, a device, a flood."""
        os.mkfifo(tmp_path / "pipe")
        (tmp_path / "flood").write_bytes(bytes(1001))
        monkeypatch.setattr(evidence_file, "FILE_LIMIT", 1000)
        for path in (tmp_path / "pipe", Path("/dev/zero")):
            with pytest.raises(EvidenceError, match="and no file"):
                load(path)
        with pytest.raises(EvidenceError, match="has more than 1000 bytes"):
            load(tmp_path / "flood")

    def test_refuses_depth(self, tmp_path: Path) -> None:
        """Hostile nesting is refused, not recursed into."""
        path = tmp_path / "evidence.json"
        deep = b"[" * 5000 + b"]" * 5000
        path.write_bytes(
            dump(saved()).replace(b'"observations": {', b'"observations": {"x":' + deep + b",")
        )

        with pytest.raises(EvidenceError):
            load(path)

    def test_keeps_its_moments(self) -> None:
        """The certificate of a replay tells when it was measured, not when it was judged."""
        assert (saved().started, saved().ended) == (STARTED, ENDED)


class TestCheckBelonging:
    """Evidence beside the certificate that was made from it."""

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        """An ``evidence.json`` alone in its folder."""
        path = tmp_path / "evidence.json"
        path.write_bytes(dump(saved()))
        return path

    def certify(self, path: Path, content: object) -> None:
        """Put a certificate beside it."""
        path.with_name("certificate.json").write_text(json.dumps(content))

    def test_alone_it_is_taken(self, path: Path) -> None:
        """Evidence may be sent without its certificate."""
        check_belonging(path)

    def test_with_its_certificate_it_is_taken(self, path: Path) -> None:
        """The usual case: the folder as the run left it."""
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        self.certify(path, {"files": {"evidence.json": digest}})

        check_belonging(path)

    def test_changed_evidence_is_refused(self, path: Path) -> None:
        """A folder whose evidence was edited must not yield a certificate."""
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        self.certify(path, {"files": {"evidence.json": digest}})
        path.write_bytes(path.read_bytes() + b"\n")

        with pytest.raises(EvidenceError, match="not the evidence"):
            check_belonging(path)

    @pytest.mark.parametrize("content", [{}, {"files": {}}, {"files": []}, [], {"files": None}])
    def test_beside_something_else_it_is_refused(self, path: Path, content: object) -> None:
        """A file of that name that is no certificate proves nothing."""
        self.certify(path, content)

        with pytest.raises(EvidenceError, match="no certificate"):
            check_belonging(path)

    def test_beside_a_folder_of_that_name_it_is_refused(self, path: Path) -> None:
        """What cannot be read proves nothing either."""
        path.with_name("certificate.json").mkdir()

        with pytest.raises(EvidenceError, match="no certificate"):
            check_belonging(path)


class TestOrigin:
    """Evidence that was put together is not judged, or not where it was."""

    def refused(self, saved: evidence_file.Saved) -> str:
        """Return why it is not judged."""
        with pytest.raises(evidence_file.EvidenceError) as refusal:
            evidence_file.check_origin(saved)
        return str(refusal.value)

    def test_as_it_was_measured(self) -> None:
        """Nothing is wrong with it."""
        evidence_file.check_origin(healthy.saved())

        assert evidence_file.in_place(healthy.saved()) == healthy.saved()

    def test_of_the_embedded_site(self) -> None:
        """A simulation that calls itself a measurement."""
        setup = msgspec.structs.replace(healthy.saved().setup, ports=Ports(conn=45555))
        forged = msgspec.structs.replace(healthy.saved(), setup=setup)
        evidence_file.check_origin(
            msgspec.structs.replace(forged, setup=msgspec.structs.replace(setup, simulated=True))
        )

        assert "of the embedded site" in self.refused(forged)

    def test_with_an_authority_that_nobody_named(self) -> None:
        """It would be no deviation."""
        saved = healthy.saved()
        loaded = msgspec.structs.replace(saved.setup.loaded, ca_pem="x")
        setup = msgspec.structs.replace(saved.setup, loaded=loaded)

        assert "trusts an authority" in self.refused(msgspec.structs.replace(saved, setup=setup))

    @pytest.mark.parametrize("name", ["line-1", "line-2"])
    def test_with_one_cube_for_two(self, name: str) -> None:
        """Two CUBEs that share a name or an address would share their observations."""
        twice = (*healthy.SITE.cubes, Cube(name=name, address=healthy.CUBE))
        site = msgspec.structs.replace(healthy.SITE, cubes=twice)

        assert "stands in cube[1]" in self.refused(healthy.saved(site=site))

    def test_of_another_cube(self) -> None:
        """An observation that is about another CUBE, server or host proves nothing."""
        moved = healthy.misplaced()
        kept = evidence_file.in_place(healthy.saved(moved)).observations

        assert healthy.observations().keys() - kept.keys() == moved.keys()
