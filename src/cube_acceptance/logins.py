"""The secrets that a login at a CUBE's shell needs, read before anything is measured.

They stay in this process: neither the site, nor the evidence, nor a worker process ever has them.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from cube_acceptance.site import SiteError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import paramiko

    from cube_acceptance.site import Login, Site


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who logs in, and by which secret; nothing that is printed of it shows one."""

    user: str
    key: Callable[[], paramiko.PKey] | None = field(default=None, repr=False)
    """Brings the private key; None where it is a password."""
    password: str = field(default="", repr=False)


Logins = dict[str, Credentials]
"""The credentials of each CUBE that has a login, by the CUBE's name."""


class _NoSecretError(Exception):
    """A secret is not to be had: the problem, and what to do."""


def load(site: Site, file: Path) -> Logins:
    """Read what the logins of a site need; ``file`` is the site file, where its paths start.

    Before a CUBE is there, nobody logs in anywhere.

    Raises:
        SiteError: a key or a password is not where the site file says.
    """
    found: Logins = {}
    for number, cube in enumerate(site.cubes, 1):
        if not cube.login or site.stage != "acceptance":
            continue
        try:
            found[cube.name] = _credentials(cube.login, file.parent)
        except _NoSecretError as error:
            key = f"cube[{number}].login." + ("key" if cube.login.key else "password_env")
            problem, hint = error.args
            raise SiteError(file=str(file), key=key, problem=problem, hint=hint) from None
    return found


def _credentials(login: Login, folder: Path) -> Credentials:
    if login.key:
        return Credentials(user=login.user, key=_key(folder / login.key))
    password = os.environ.get(login.password_env, "")
    if not password:
        problem = f"the environment variable {login.password_env} is missing or empty"
        raise _NoSecretError(problem, "Set it to the password, for this run only")
    return Credentials(user=login.user, password=password)


def _key(path: Path) -> Callable[[], paramiko.PKey]:
    """Make sure that a private key can be opened, and say how.

    An ordinary one is opened when somebody logs in: paramiko takes a tenth of a second to import,
    for which the first packet would have to wait. Every other one is opened here.
    """
    if _is_ordinary(path):
        return cache(partial(_opened, path))
    key = _opened(path)
    return lambda: key


def _is_ordinary(path: Path) -> bool:
    """Whether a file is what ``ssh-keygen`` writes where nobody gives a passphrase, and whole.

    A certificate beside it would have to be read as well.
    """
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - as rare as paramiko
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415
        load_ssh_private_key,
    )

    try:
        key = load_ssh_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm):
        return False
    kinds = (ed25519.Ed25519PrivateKey, rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey)
    return isinstance(key, kinds) and not path.with_name(f"{path.name}-cert.pub").exists()


def _opened(path: Path) -> paramiko.PKey:
    """Open a private key; one that is encrypted is asked for where somebody can answer."""
    import paramiko  # noqa: PLC0415 - see above

    try:
        try:
            return paramiko.PKey.from_path(path)
        except (TypeError, paramiko.PasswordRequiredException):
            passphrase: Any = _passphrase(path)  # bytes, whatever the stubs say
            return paramiko.PKey.from_path(path, passphrase)
    except OSError as error:
        hint = "A relative path starts at the site file's folder"
        raise _NoSecretError(f"{path} cannot be read: {error.strerror}", hint) from None
    except (ValueError, TypeError, paramiko.SSHException):
        hint = "Name the private key as `ssh-keygen` wrote it, and mind its passphrase"
        raise _NoSecretError(f"{path} holds no private key that can be opened", hint) from None


def _passphrase(path: Path) -> bytes:
    if not (sys.stdin and sys.stdin.isatty()):
        hint = "Start the run from a terminal, or use a key without a passphrase"
        raise _NoSecretError(f"{path} is encrypted, and there is no terminal to ask on", hint)
    import getpass  # noqa: PLC0415 - few sites have a key with a passphrase

    return getpass.getpass(f"{path}: ").encode()
