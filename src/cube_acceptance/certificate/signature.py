"""Signs ``certificate.json`` with OpenSSH's own tool (SSHSIG, OpenSSH's PROTOCOL.sshsig).

``ssh-keygen -Y sign`` knows Ed25519, ECDSA and RSA keys, asks for the passphrase of an encrypted
key on the terminal, and uses the agent where the file holds a public key.
"""

from __future__ import annotations

import base64
import binascii
import subprocess
from typing import TYPE_CHECKING

from cube_acceptance.programs import find_program

if TYPE_CHECKING:
    from pathlib import Path

NAMESPACE = "cube-acceptance"
SUFFIX = ".sig"
QUESTION_LIMIT_S = 20.0
"""Seconds for a call that asks nobody anything."""
PASSPHRASE_LIMIT_S = 300.0
"""Seconds to type a passphrase."""

_BEGIN = "-----BEGIN SSH SIGNATURE-----\n"
_END = "-----END SSH SIGNATURE-----\n"
_WIDTH = 70


class SignatureError(Exception):
    """Signing or checking a signature is not possible; says why and what to do."""


def _keygen(arguments: list[str], *, limit_s: float, data: bytes | None = None) -> str:
    tool = find_program("ssh-keygen")
    if tool is None:
        raise SignatureError("ssh-keygen is missing; install OpenSSH's client programs")
    try:
        asked = subprocess.run(  # noqa: S603 - fixed program, arguments are passed as they are
            [tool, *arguments],
            input=data,
            capture_output=True,
            timeout=limit_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise SignatureError(f"ssh-keygen did not finish within {limit_s:.0f} s") from error
    if asked.returncode:
        said = (asked.stderr or asked.stdout).decode(errors="replace").strip().splitlines()
        raise SignatureError(said[-1][:200] if said else "ssh-keygen gave no reason")
    return asked.stdout.decode(errors="replace")


def fingerprint(key: Path) -> str:
    """Return a key's ``SHA256:...`` fingerprint, without its passphrase.

    Raises:
        SignatureError: the file is not there, or is no OpenSSH key.
    """
    if not key.is_file():
        raise SignatureError(f"there is no key {key.name}")
    fields = _keygen(["-l", "-E", "sha256", "-f", str(key)], limit_s=QUESTION_LIMIT_S).split()
    if len(fields) < 2:  # noqa: PLR2004 - bits, fingerprint, comment, type
        raise SignatureError(f"{key.name} is no OpenSSH key")
    return fields[1]


def sign(file: Path, key: Path) -> Path:
    """Sign a file; the signature stands beside it with the suffix ``.sig``.

    Raises:
        SignatureError: the key cannot be used.
    """
    target = file.with_name(file.name + SUFFIX)
    target.unlink(missing_ok=True)
    _keygen(
        ["-Y", "sign", "-q", "-f", str(key), "-n", NAMESPACE, str(file)],
        limit_s=PASSPHRASE_LIMIT_S,
    )
    return target


def check(signature: Path, data: bytes, allowed_signers: Path | None) -> str:
    """Check a signature over ``data`` and give the fingerprint of the key that made it.

    Without a list of allowed signers only the signature itself is checked, not whose it is.

    Raises:
        SignatureError: the signature does not hold, or is not written the one way it should be.
    """
    text = signature.read_bytes()
    if not is_canonical(text):
        raise SignatureError("the signature file is not as ssh-keygen writes it")
    common = ["-n", NAMESPACE, "-s", str(signature)]
    if allowed_signers is None:
        said = _keygen(["-Y", "check-novalidate", *common], limit_s=QUESTION_LIMIT_S, data=data)
    else:
        listed = ["-f", str(allowed_signers)]
        who = _keygen(
            ["-Y", "find-principals", *listed, "-s", str(signature)], limit_s=QUESTION_LIMIT_S
        ).splitlines()
        if not who:
            raise SignatureError("the key is not in the list of allowed signers")
        said = _keygen(
            ["-Y", "verify", *listed, "-I", who[0], *common], limit_s=QUESTION_LIMIT_S, data=data
        )
    return next((word for word in said.split() if word.startswith("SHA256:")), "")


def is_canonical(text: bytes) -> bool:
    """Whether an armoured signature is written in exactly the way that ssh-keygen does.

    Base64 and white space can be changed without touching the signature inside; so that no
    byte of the file can be changed unnoticed, only one way of writing it is accepted.
    """
    body = text.decode("ascii", errors="replace")
    if not body.startswith(_BEGIN) or not body.endswith(_END):
        return False
    try:
        raw = base64.b64decode(body[len(_BEGIN) : -len(_END)].replace("\n", ""), validate=True)
    except binascii.Error:
        return False
    encoded = base64.b64encode(raw).decode()
    lines = [encoded[at : at + _WIDTH] for at in range(0, len(encoded), _WIDTH)]
    return body == _BEGIN + "".join(f"{line}\n" for line in lines) + _END


def command(fingerprinted: str) -> str:
    """Return the command by which anybody can check the signature of this certificate."""
    return (
        f"ssh-keygen -Y verify -f allowed_signers -I {fingerprinted} -n {NAMESPACE} "
        "-s certificate.json.sig < certificate.json"
    )
