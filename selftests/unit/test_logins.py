"""Tests of the secrets of logins: read in time, shown to nobody."""

from __future__ import annotations

import io
import subprocess
from typing import TYPE_CHECKING

import paramiko
import pytest

from cube_acceptance import logins
from cube_acceptance.site import Cube, Login, Site, SiteError

if TYPE_CHECKING:
    from pathlib import Path

PIN = "SHA256:" + "A" * 43
SPOKEN = "open sesame"


def site(login: Login, **changes: object) -> Site:
    """A site with one CUBE beside the one that has a login."""
    cubes = (
        Cube(address="10.20.0.49"),
        Cube(name="line-1", address="10.20.0.50", ssh="enabled", ssh_fingerprint=PIN, login=login),
    )
    return Site(cubes=cubes, **changes)


def make_key(path: Path, passphrase: str = "", *options: str) -> str:
    """Make a key as an administrator does; its fingerprint."""
    arguments = ("-t", "ed25519", "-N", passphrase, "-f", str(path), *options)
    subprocess.run(["ssh-keygen", "-q", *arguments], check=True)
    told = subprocess.run(
        ["ssh-keygen", "-l", "-f", str(path)], check=True, capture_output=True, text=True
    )
    return told.stdout.split()[1]


def by_password(variable: str) -> Login:
    """A login by the password in a variable of the environment."""
    return Login(user="service", password_env=variable)


class Terminal(io.StringIO):
    """A person who can be asked."""

    def isatty(self) -> bool:
        """Claim to be a terminal."""
        return True


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a person at the terminal answers, and a terminal."""
    given: list[str] = []
    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("getpass.getpass", lambda _prompt: given.pop())
    return given


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The keys that paramiko has opened."""
    found: list[Path] = []

    def opening(path: Path, passphrase: bytes | None = None) -> paramiko.PKey:
        found.append(path)
        return real(path, passphrase)

    real = paramiko.PKey.from_path
    monkeypatch.setattr(paramiko.PKey, "from_path", opening)
    return found


@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
def test_a_key(tmp_path: Path, opened: list[Path], kind: str) -> None:
    """Its path starts at the site file; paramiko opens it when somebody logs in, and once."""
    (tmp_path / "keys").mkdir()
    fingerprint = make_key(tmp_path / "keys" / "cube", "", "-t", kind)

    found = logins.load(site(Login(user="service", key="keys/cube")), tmp_path / "site.toml")

    assert list(found) == ["line-1"]
    assert found["line-1"].user == "service"
    assert opened == []
    for _ in range(2):
        assert found["line-1"].key
        assert found["line-1"].key().fingerprint == fingerprint
    assert opened == [tmp_path / "keys" / "cube"]


def test_a_key_of_another_form(tmp_path: Path, opened: list[Path]) -> None:
    """It is opened at once: only paramiko knows whether it can be."""
    fingerprint = make_key(tmp_path / "cube", "", "-t", "rsa", "-m", "PEM")

    found = logins.load(site(Login(user="service", key="cube")), tmp_path / "site.toml")

    assert opened == [tmp_path / "cube"]
    assert found["line-1"].key
    assert found["line-1"].key().fingerprint == fingerprint


def test_a_key_with_a_certificate_that_is_none(tmp_path: Path) -> None:
    """It is a usage error, and no surprise at the login."""
    make_key(tmp_path / "cube")
    (tmp_path / "cube-cert.pub").write_text("no certificate at all")

    with pytest.raises(SiteError, match="no private key that can be opened"):
        logins.load(site(Login(user="service", key="cube")), tmp_path / "site.toml")


def test_a_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes from the environment and is shown nowhere."""
    monkeypatch.setenv("CUBE_PASSWORD", SPOKEN)

    found = logins.load(site(by_password("CUBE_PASSWORD")), tmp_path / "site.toml")

    assert found["line-1"].password == SPOKEN
    assert SPOKEN not in repr(found)


def test_before_a_cube_is_there(tmp_path: Path) -> None:
    """Nobody logs in, so that no secret is asked for."""
    login = Login(user="service", key="nowhere")

    assert logins.load(site(login, stage="readiness"), tmp_path / "site.toml") == {}


@pytest.mark.parametrize("options", [(), ("-t", "rsa", "-m", "PEM")], ids=["openssh", "pem"])
def test_an_encrypted_key(tmp_path: Path, answers: list[str], options: tuple[str, ...]) -> None:
    """Somebody is asked for its passphrase."""
    fingerprint = make_key(tmp_path / "cube", SPOKEN, *options)
    answers.append(SPOKEN)

    found = logins.load(site(Login(user="service", key="cube")), tmp_path / "site.toml")

    assert found["line-1"].key
    assert not answers
    assert found["line-1"].key().fingerprint == fingerprint


@pytest.mark.parametrize("stdin", [None, io.StringIO()], ids=["none", "no terminal"])
def test_an_encrypted_key_and_nobody_to_ask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stdin: io.StringIO | None
) -> None:
    """A usage error, and no run that waits for ever."""
    make_key(tmp_path / "cube", SPOKEN)
    monkeypatch.setattr("sys.stdin", stdin)

    with pytest.raises(SiteError, match=r"cube\[2\]\.login\.key: .*cube is encrypted, and there"):
        logins.load(site(Login(user="service", key="cube")), tmp_path / "site.toml")


def test_a_wrong_passphrase(tmp_path: Path, answers: list[str]) -> None:
    """It is not repeated in the complaint."""
    make_key(tmp_path / "cube", SPOKEN)
    answers.append("wrong guess")

    with pytest.raises(SiteError, match="no private key that can be opened") as caught:
        logins.load(site(Login(user="service", key="cube")), tmp_path / "site.toml")

    assert "guess" not in str(caught.value)


@pytest.mark.parametrize(
    ("login", "said"),
    [
        (Login(user="service", key="nowhere"), r"key: .*nowhere cannot be read: No such"),
        (Login(user="service", key="garbage"), r"key: .*garbage holds no private key"),
        (Login(user="service", key="cut"), r"key: .*cut holds no private key"),
        (by_password("UNSET_HERE"), r"password_env: .* UNSET_HERE is mis"),
    ],
    ids=["no file", "no key", "half a key", "no password"],
)
def test_no_secret(tmp_path: Path, login: Login, said: str) -> None:
    """File, key, problem and cure are named."""
    (tmp_path / "garbage").write_text("no key at all")
    make_key(tmp_path / "cut")
    first, *lines, last = (tmp_path / "cut").read_text().splitlines(keepends=True)
    (tmp_path / "cut").write_text("".join((first, *lines[:-2], last)))

    with pytest.raises(SiteError, match=rf"site\.toml: cube\[2\]\..*{said}"):
        logins.load(site(login), tmp_path / "site.toml")
