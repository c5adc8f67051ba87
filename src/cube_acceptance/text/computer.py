"""The language of this computer's user, where it is one that we speak."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cube_acceptance.catalogue import Language

VARIABLES = ("LC_ALL", "LC_MESSAGES", "LANG")
"""Which variable tells the language of messages, the first that is set (POSIX, chapter 8.2)."""

DEFAULT: Language = "de"

_WINDOWS: dict[int, Language] = {0x07: "de", 0x09: "en"}
"""Primary language identifiers, [MS-LCID]: LANG_GERMAN and LANG_ENGLISH."""


def language(environment: Mapping[str, str] = os.environ, platform: str = sys.platform) -> Language:
    """Return this computer's language where it is German or English, else German."""
    return told(environment, platform) or DEFAULT


def told(
    environment: Mapping[str, str] = os.environ, platform: str = sys.platform
) -> Language | None:
    """Return this computer's language where it is German or English; None where it says neither."""
    named = next((environment[name] for name in VARIABLES if environment.get(name)), "")
    name = named.partition("_")[0].partition(".")[0].casefold()
    if name in {"de", "en"}:
        return "en" if name == "en" else "de"
    if not named and platform == "win32":
        return _WINDOWS.get(_windows_language())
    return None


def _windows_language() -> int:
    """Ask Windows for the primary language of its user's desktop; 0 where it does not say."""
    import ctypes  # noqa: PLC0415 - Windows only

    library = getattr(ctypes, "windll", None)
    return library.kernel32.GetUserDefaultUILanguage() & 0x3FF if library else 0
