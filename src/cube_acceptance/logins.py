"""The secrets that a login at a CUBE's shell needs, read before anything is measured.

They stay in this process: neither the site, nor the evidence, nor a worker process ever has them.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cube_acceptance.site import SiteError

if TYPE_CHECKING:
    from pathlib import Path

    import paramiko

    from cube_acceptance.site import Login, Site


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who logs in, and by which secret; nothing that is printed of it shows one."""

    user: str
    key: paramiko.PKey | None = field(default=None, repr=False)
    """The private key; None where it is a password."""
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


def _key(path: Path) -> paramiko.PKey:
    """Read a private key; one that is encrypted is asked for where somebody can answer."""
    import paramiko  # noqa: PLC0415 - it takes a tenth of a second, which few runs need

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
