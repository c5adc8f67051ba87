"""``init``: what it shows, what it asks, and the file that it writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import pytest

from cube_acceptance import discovery
from cube_acceptance.commands import init
from cube_acceptance.probes.net.errors import CannotAskError
from cube_acceptance.site import load_site
from selftests.support import healthy

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cube_acceptance.site import Site

CUBES = (
    discovery.Candidate("10.20.0.50", "cube-4711", "02:00:00:00:00:50", "IoT CUBE", "0.131.0"),
    discovery.Candidate("10.20.0.51", "", "", "", ""),
)
FOUND = discovery.Found(
    vantage=healthy.VANTAGE,
    network="10.20.0.0/24",
    dhcp="10.20.0.1",
    routers=("10.20.0.1",),
    dns=("10.20.0.1", "10.20.0.2"),
    ntp=(),
    obstacle="",
    cubes=CUBES,
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The file that is to be written."""
    return tmp_path / "werk.toml"


@pytest.fixture(autouse=True)
def found(monkeypatch: pytest.MonkeyPatch) -> list[discovery.Found]:
    """What the network shows: the last of these."""
    shown = [FOUND]
    monkeypatch.setattr(discovery, "here", lambda _: healthy.VANTAGE)
    monkeypatch.setattr(discovery, "find", lambda *_, **__: shown[-1])
    monkeypatch.setattr(init, "missing_right", lambda _: "sudo x")
    return shown


def loaded(file: Path) -> Site:
    """What was written."""
    return load_site(file).site


def answers(*given: str) -> Callable[[str], str]:
    """Answer with these, and then with Enter."""
    waiting = list(given)
    return lambda _: waiting.pop(0) if waiting else ""


@pytest.mark.parametrize("language", ["de", "en"])
def test_every_value_as_it_was_found(
    file: Path, language: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """For scripts: shown, written with comments, and it loads."""
    assert init.main([str(file), "--yes", "--lang", language]) == 0

    site = loaded(file)
    assert [(one.name, one.address, one.version, one.hostname, one.mac) for one in site.cubes] == [
        ("cube-4711", "10.20.0.50", "0.131.0", "cube-4711", "02:00:00:00:00:50"),
        ("cube-2", "10.20.0.51", "", "", ""),
    ]
    assert (site.stage, site.language) == ("acceptance", language)
    assert (site.vantage.interface, site.vantage.network) == ("eth0", "10.20.0.0/24")
    said = capsys.readouterr().out
    assert "10.20.0.50, cube-4711, 02:00:00:00:00:50, " in said
    assert f"cube-acceptance --site {file}" in said
    text = file.read_text("utf-8")
    assert "10.20.0.1, 10.20.0.2" in text
    assert text.count("# ") > 10


def test_values_are_changed(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong one is asked for again, a hyphen leaves one out, and a CUBE can be left out."""
    told = ("eth1", "Werk Förde", "", "-", "10.20.0.5", "10.20.0.0/25", "j")
    told += ("Linie 1", "", "", "-", "", "n")
    assert init.main([str(file), "--lang", "de"], answers(*told)) == 0

    site = loaded(file)
    assert (site.site.name, site.site.customer) == ("Werk Förde", "")
    assert site.vantage.network == "10.20.0.0/25"
    assert [(one.name, one.hostname) for one in site.cubes] == [("Linie 1", "")]
    assert "10.20.0.5" in capsys.readouterr().out


@pytest.mark.parametrize(("address", "stage"), [("", "readiness"), ("10.20.0.50", "acceptance")])
def test_no_cube_answers(
    file: Path, found: list[discovery.Found], address: str, stage: str
) -> None:
    """Its address is typed, or none is there yet."""
    found.append(FOUND._replace(cubes=(), dhcp="", obstacle="no right"))
    assert init.main([str(file)], answers("", "", "", "", "", address)) == 0

    assert loaded(file).stage == stage
    assert len(loaded(file).cubes) == bool(address)


def test_a_sweep_is_said_before(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """How many ports, how fast, and how long; and no right that is there."""
    monkeypatch.setattr(init, "missing_right", lambda _: "")
    assert init.main([str(file), "--yes", "--sweep", "--lang", "en"]) == 0

    said = capsys.readouterr().out
    assert "506 ports are tried" in said.split("DHCP server")[0]
    assert "lacks" not in said


def test_nothing_is_overwritten(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Unless that is said."""
    file.write_text("mine")

    assert init.main([str(file), "--yes", "--lang", "en"]) == 4
    assert (file.read_text(), "--force" in capsys.readouterr().err) == ("mine", True)
    assert init.main([str(file), "--yes", "--force"]) == 0
    assert loaded(file).cubes


@pytest.mark.parametrize(
    ("end", "status", "said"),
    [
        (EOFError(), 4, "--yes"),
        (KeyboardInterrupt(), 2, "nothing was written"),
        (CannotAskError("off-link", "there is no interface eth7"), 4, "no interface eth7"),
        (PermissionError(13, "Permission denied"), 4, "Permission denied"),
    ],
)
def test_ends_in_a_sentence(
    file: Path, end: BaseException, status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever ends it."""

    def ask(_: str) -> NoReturn:
        raise end

    assert init.main([str(file), "--lang", "en"], ask) == status
    assert said in capsys.readouterr().err
    assert not file.exists()


def test_what_does_not_load_is_not_written(
    file: Path, found: list[discovery.Found], capsys: pytest.CaptureFixture[str]
) -> None:
    """Two CUBEs of one address, for instance."""
    found.append(FOUND._replace(cubes=CUBES[:1] * 2))

    assert init.main([str(file), "--yes", "--lang", "de"]) == 4
    said = capsys.readouterr().err
    assert said.startswith(f"{file}: cube[2].address: '10.20.0.50' steht schon in cube[1]")
    assert not file.exists()


def test_on_the_simulated_site(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It shows the same, on any computer, and writes nothing."""
    asked: list[object] = []

    def find(vantage: object, ports: object, *, sweep: bool) -> discovery.Found:
        asked.extend((vantage, ports, sweep))
        return FOUND

    monkeypatch.setattr(discovery, "find", find)
    assert init.main([str(file), "--simulated", "--sweep", "--lang", "en"]) == 0
    assert asked[0].loopback  # type: ignore[attr-defined]
    assert asked[2] is False
    assert "nothing is written" in capsys.readouterr().out
    assert not file.exists()
