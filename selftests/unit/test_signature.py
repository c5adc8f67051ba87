"""Signatures by OpenSSH's own tool, good and bad."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from cube_acceptance.certificate import signature
from cube_acceptance.certificate.signature import SignatureError
from selftests.support.keys import make_key, signers

if TYPE_CHECKING:
    from pathlib import Path

KINDS = [("ed25519", ()), ("ecdsa", ()), ("rsa", ("-b", "2048"))]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Something to sign."""
    file = tmp_path / "certificate.json"
    file.write_bytes(b"{}\n")
    return file


class TestSign:
    """Signing and checking belong together."""

    @pytest.mark.parametrize(("kind", "more"), KINDS)
    def test_every_kind_of_key(
        self, tmp_path: Path, data: Path, kind: str, more: tuple[str, ...]
    ) -> None:
        """Ed25519, ECDSA and RSA keys sign, and the fingerprint says which key it was."""
        key = make_key(tmp_path / "key", kind, *more)
        made = signature.sign(data, key)

        assert made == data.with_name("certificate.json.sig")
        assert signature.check(made, b"{}\n", None) == signature.fingerprint(key)
        assert signature.check(made, b"{}\n", signers(key)) == signature.fingerprint(key)

    def test_signs_again(self, tmp_path: Path, data: Path) -> None:
        """An earlier signature is replaced, not asked about."""
        key = make_key(tmp_path / "key")
        signature.sign(data, key)

        assert signature.sign(data, key).exists()

    def test_other_data(self, tmp_path: Path, data: Path) -> None:
        """One changed byte breaks it."""
        made = signature.sign(data, make_key(tmp_path / "key"))

        with pytest.raises(SignatureError):
            signature.check(made, b"{ }\n", None)

    def test_other_signer(self, tmp_path: Path, data: Path) -> None:
        """A key that is not listed does not count."""
        made = signature.sign(data, make_key(tmp_path / "key"))
        (tmp_path / "other").mkdir()
        stranger = signers(make_key(tmp_path / "other" / "key"))

        with pytest.raises(SignatureError):
            signature.check(made, b"{}\n", stranger)

    def test_nobody_asks_for_a_passphrase_without_a_terminal(
        self, tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An encrypted key without anybody to type is an error, not a wait."""
        monkeypatch.setenv("SSH_ASKPASS_REQUIRE", "force")
        monkeypatch.setenv("SSH_ASKPASS", "/bin/false")
        key = make_key(tmp_path / "key", phrase="secret words")

        assert signature.fingerprint(key).startswith("SHA256:")
        with pytest.raises(SignatureError):
            signature.sign(data, key)

    def test_passphrase_from_askpass(
        self, tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """OpenSSH's own ways to ask for a passphrase work."""
        ask = tmp_path / "ask"
        ask.write_text("#!/bin/sh\necho 'secret words'\n")
        ask.chmod(0o700)
        monkeypatch.setenv("SSH_ASKPASS_REQUIRE", "force")
        monkeypatch.setenv("SSH_ASKPASS", str(ask))
        key = make_key(tmp_path / "key", phrase="secret words")

        assert signature.sign(data, key).exists()

    def test_agent(self, tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """With a public key the agent signs."""
        key = make_key(tmp_path / "key")
        socket = tmp_path / "agent"
        agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL)
        try:
            while not socket.exists():
                pass
            monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
            subprocess.run(["ssh-add", "-q", str(key)], check=True)
            public = tmp_path / "public.pub"
            shutil.copyfile(key.with_suffix(".pub"), public)

            assert signature.sign(data, public).exists()
        finally:
            agent.terminate()
            agent.wait()


class TestFingerprint:
    """What is a key and what is none."""

    def test_no_file(self, tmp_path: Path) -> None:
        """The name is said, not the place."""
        with pytest.raises(SignatureError, match="there is no key missing"):
            signature.fingerprint(tmp_path / "missing")

    def test_no_key(self, data: Path) -> None:
        """ssh-keygen's reason is passed on."""
        with pytest.raises(SignatureError):
            signature.fingerprint(data)

    def test_no_fingerprint(self, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A tool that says nothing is no proof."""
        monkeypatch.setattr(signature, "_keygen", lambda *_, **__: "")

        with pytest.raises(SignatureError, match="no OpenSSH key"):
            signature.fingerprint(data)


class TestTool:
    """The tool itself can be missing, silent or slow."""

    def test_missing(self, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Said with what to install."""
        monkeypatch.setenv("PATH", "")

        with pytest.raises(SignatureError, match="install OpenSSH"):
            signature.fingerprint(data)

    def tool(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
        """Put a tool of that name first on the path."""
        fake = tmp_path / "bin" / "ssh-keygen"
        fake.parent.mkdir()
        fake.write_text(f"#!/bin/sh\n{script}\n")
        fake.chmod(0o700)
        monkeypatch.setenv("PATH", f"{fake.parent}:/bin:/usr/bin")

    def test_silent_failure(
        self, tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A failure without a word is still a failure."""
        self.tool(tmp_path, monkeypatch, "exit 1")

        with pytest.raises(SignatureError, match="no reason"):
            signature.fingerprint(data)

    def test_too_slow(self, tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A tool that hangs is given up."""
        self.tool(tmp_path, monkeypatch, "exec sleep 5")
        monkeypatch.setattr(signature, "QUESTION_LIMIT_S", 0.05)

        with pytest.raises(SignatureError, match="did not finish"):
            signature.fingerprint(data)

    def test_knows_nobody(
        self, tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A list in which the key is not, by a tool that does not call that a failure."""
        made = signature.sign(data, make_key(tmp_path / "key"))
        self.tool(tmp_path, monkeypatch, "exit 0")

        with pytest.raises(SignatureError, match="not in the list"):
            signature.check(made, b"{}\n", data)


class TestCanonical:
    """One way of writing a signature, so that no byte of the file is free."""

    def test_as_written(self, tmp_path: Path, data: Path) -> None:
        """What ssh-keygen writes is canonical."""
        made = signature.sign(data, make_key(tmp_path / "key"))

        assert signature.is_canonical(made.read_bytes())

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            (b"\n", b"\r\n"),
            (b"\n-----END", b"\n\n-----END"),
            (b"BEGIN", b"begin"),
            (b"U1NI", b"U1N!"),
        ],
    )
    def test_written_differently(self, tmp_path: Path, data: Path, old: bytes, new: bytes) -> None:
        """The same signature in another dress is refused."""
        made = signature.sign(data, make_key(tmp_path / "key"))
        text = made.read_bytes().replace(old, new, 1)
        made.write_bytes(text)

        assert not signature.is_canonical(text)
        with pytest.raises(SignatureError, match="not as ssh-keygen writes it"):
            signature.check(made, b"{}\n", None)


class TestCommand:
    """What the certificate prints for anybody to check it."""

    def test_names_everything(self) -> None:
        """Namespace, signature and data."""
        command = signature.command("SHA256:abc")

        assert "-n cube-acceptance" in command
        assert command.endswith("< certificate.json")
