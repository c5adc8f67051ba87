"""``cube-acceptance init``: a site file from what the network shows, each value confirmed."""

from __future__ import annotations

import importlib
import json
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from cube_acceptance import discovery, ownership, suite
from cube_acceptance.probes.candidates import SWEEP_RATE
from cube_acceptance.probes.net.dhcp_wire import missing_right
from cube_acceptance.probes.net.errors import CannotAskError
from cube_acceptance.run import write_whole
from cube_acceptance.setup import Ports
from cube_acceptance.site import SiteError, check_text, load_site
from cube_acceptance.site.values import (
    check_address,
    check_cube_name,
    check_hostname,
    check_mac,
    check_network,
    check_version,
)
from cube_acceptance.text import computer, usage
from cube_acceptance.text.foreign import one_line
from cube_acceptance.text.options import Options
from cube_acceptance.text.wording import say

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from cube_acceptance.catalogue import Language
    from cube_acceptance.discovery import Candidate, Found
    from cube_acceptance.evidence import Vantage
    from cube_acceptance.site.values import Complaint

    Check = Callable[[str], Complaint | None]

USAGE_ERROR, INTERRUPTED = 4, 2
VALUE_LIMIT = 200
SWEPT_PORTS = 2
NONE = "-"
"""What is typed for a value that is to be empty."""

CUBE_KEYS: tuple[tuple[str, Check], ...] = (
    ("name", check_cube_name),
    ("address", check_address),
    ("version", check_version),
    ("hostname", check_hostname),
    ("mac", check_mac),
)
"""What is written of a CUBE, in the file's order."""


class Draft(NamedTuple):
    """What will stand in the file."""

    name: str
    customer: str
    location: str
    interface: str
    network: str
    cubes: tuple[dict[str, str], ...]


def main(arguments: list[str], ask: Callable[[str], str] = input) -> int:
    """Run ``cube-acceptance init [FILE]``; questions are put by ``ask``."""
    options = _parser(arguments).parse_args(arguments)
    language: Language = options.lang or computer.language()
    file: Path = options.file
    if file.exists() and not (options.force or options.simulated):
        return _refuse(say("init.exists", language, file=file))
    try:
        with ExitStack() as open_now:
            return _guided(options, language, Questions(ask, language, yes=options.yes), open_now)
    except (CannotAskError, SiteError, OSError, EOFError) as error:
        return _refuse(_reason(error, file, language))
    except KeyboardInterrupt:
        sys.stderr.write(f"\n{say('init.interrupted', language)}\n")
        return INTERRUPTED


def _parser(arguments: list[str]) -> Options:
    parser = Options(
        arguments,
        prog="cube-acceptance init",
        description="Write a site file from what DHCP, mDNS and the CUBEs' pages show. Every value "
        "is shown and can be changed: Enter keeps it, a hyphen leaves it out.",
        epilog="Exit status: 0 written; 2 interrupted; 4 usage.",
    )
    parser.add_argument(
        "file",
        nargs="?",
        type=Path,
        default=Path("site.toml"),
        metavar="FILE",
        help="the site file (default: site.toml)",
    )
    parser.add_argument("--interface", default="", metavar="NAME", help="where to ask from")
    parser.add_argument(
        "--sweep",
        action="store_true",
        help="also knock at TCP 5555 and 80 of every address of the own /24, 20 a second",
    )
    parser.add_argument("--yes", action="store_true", help="keep every value, ask nothing")
    parser.add_argument("--force", action="store_true", help="overwrite the file")
    parser.add_argument(
        "--simulated", action="store_true", help="show it on the simulated site; writes nothing"
    )
    return parser


def _refuse(sentence: str) -> int:
    sys.stderr.write(f"{one_line(sentence, 4 * VALUE_LIMIT)}\n")
    return USAGE_ERROR


def _reason(error: Exception, file: Path, language: Language) -> str:
    if isinstance(error, CannotAskError):
        return usage.said(error.detail, language)
    if isinstance(error, EOFError):
        return say("init.nobody", language)
    if isinstance(error, SiteError):
        return usage.site_error(error, language)
    return usage.said(f"{file}: {getattr(error, 'strerror', error)}", language)


def _tell(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


class Questions:
    """Puts a question for each value, and again while the answer is no good one."""

    def __init__(self, ask: Callable[[str], str], language: Language, *, yes: bool) -> None:
        """Ask nothing where every value is to be kept."""
        self._ask = ask
        self._yes = yes
        self._language: Language = language

    def value(self, label: str, found: str, check: Check = check_text) -> str:
        """Return a value as it was found, or as it was changed."""
        while not self._yes:
            answer = self._ask(f"{label} [{found}]: ").strip()
            answer = found if not answer else "" if answer == NONE else answer
            complaint = (check_text(answer) or check(answer)) if answer else None
            if complaint is None:
                return answer
            told = (usage.said(text, self._language) for text in complaint)
            _tell(f"  {'. '.join(told)}")
        return found

    def agrees(self, question: str) -> bool:
        """Whether a question is answered by yes, which is what Enter means."""
        if self._yes:
            return True
        return self._ask(f"{question} ").strip().casefold()[:1] != "n"


def _guided(
    options: argparse.Namespace, language: Language, questions: Questions, open_now: ExitStack
) -> int:
    ports = Ports()
    if options.simulated:
        sys.path.insert(0, str(suite.PROJECT))
        site = importlib.import_module("fixtures.embedded").EmbeddedSite()
        open_now.callback(site.stop)
        setup = site.start()
        vantage, ports = setup.vantage, setup.ports
    else:
        vantage = discovery.here(options.interface)
        interface = questions.value(say("init.interface", language), vantage.interface)
        vantage = discovery.here(interface) if interface != vantage.interface else vantage
        if command := missing_right(vantage):
            _tell(f"! {say('init.right', language, command=command)}")
    sweeps = options.sweep and not options.simulated
    if sweeps:
        count = len(discovery.swept(vantage)) * SWEPT_PORTS
        _tell(say("init.sweep", language, count=count, rate=SWEEP_RATE, time=count // SWEEP_RATE))
    _tell(say("init.asking", language))
    found = discovery.find(vantage, ports, sweep=sweeps)
    for line in shown(found, language):
        _tell(line)
    if options.simulated:
        _tell(say("init.simulated", language))
        return 0
    draft = confirmed(found, vantage, language, questions)
    _write(options.file, text(draft, found, language))
    _tell(say("init.written", language, file=options.file))
    _tell(say("init.next", language, file=options.file))
    return 0


def shown(found: Found, language: Language) -> Iterator[str]:
    """Write what was found, a line each."""
    nothing = say("cube.unknown", language)
    here = f"{found.vantage.interface}, {found.vantage.address}/{found.vantage.prefix}"
    rows = {
        "interface": here if found.vantage.address else found.vantage.interface,
        "network": found.network,
        "dhcp": found.dhcp or usage.said(found.obstacle, language),
        "routers": ", ".join(found.routers),
        "dns": ", ".join(found.dns),
        "ntp": ", ".join(found.ntp),
    }
    labels = {key: say(f"init.{key}", language) for key in rows}
    width = max(map(len, labels.values())) + 2
    for key, value in rows.items():
        yield f"  {labels[key].ljust(width)}{one_line(value, VALUE_LIMIT) or nothing}"
    for cube in found.cubes:
        yield f"  {'CUBE'.ljust(width)}{_described(cube, language)}"
    if not found.cubes:
        yield f"  {say('init.no_cube', language)}"


def _described(cube: Candidate, language: Language) -> str:
    version = say("init.version_text", language, version=cube.version) if cube.version else ""
    title = say("init.page", language, title=cube.title) if cube.title else ""
    told = (cube.address, cube.hostname, cube.mac, title, version)
    return one_line(", ".join(filter(None, told)), VALUE_LIMIT)


def confirmed(found: Found, vantage: Vantage, language: Language, questions: Questions) -> Draft:
    """Let a person confirm or change every value."""
    name, customer, location = (
        questions.value(say(f"front.{key}", language), "")
        for key in ("site", "customer", "location")
    )
    network = questions.value(say("init.network", language), found.network, check_network)
    cubes = []
    for number, cube in enumerate(found.cubes, 1):
        if questions.agrees(say("init.take", language, cube=_described(cube, language))):
            called = cube.hostname or f"cube-{number}"
            values = cube._asdict() | {"name": called}
            cubes.append(_cube(values, language, questions))
    while not cubes:
        address = questions.value(say("init.another", language), "", check_address)
        if not address:
            break
        cubes.append(_cube({"address": address, "name": "cube-1"}, language, questions))
    return Draft(name, customer, location, vantage.interface, network, tuple(cubes))


def _cube(found: dict[str, str], language: Language, questions: Questions) -> dict[str, str]:
    return {
        key: questions.value(
            f"  {say(f'cube.{key}', language)}",
            found.get(key, "") if check(found.get(key, "")) is None else "",
            check,
        )
        for key, check in CUBE_KEYS
    }


def text(draft: Draft, found: Found, language: Language) -> str:
    """Write the site file, with comments in the user's language."""

    def comment(key: str, **facts: object) -> str:
        return f"# {say(f'init.comment_{key}', language, **facts)}"

    def entry(key: str, value: str) -> str:
        return f"{key} = {json.dumps(value, ensure_ascii=False)}" if value else f'# {key} = ""'

    lines = [
        comment("file"),
        "",
        comment("stage"),
        entry("stage", "acceptance" if draft.cubes else "readiness"),
        entry("language", language),
        "",
        "[site]",
        *(entry(key, getattr(draft, key)) for key in ("name", "customer", "location")),
        "",
        comment("people"),
        "# [people]",
        *(
            f'# {role} = {{ name = "", organisation = "" }}'
            for role in ("operator", "witness", "approver")
        ),
        "",
        "[vantage]",
        entry("interface", draft.interface),
        comment("network"),
        entry("network", draft.network),
    ]
    for cube in draft.cubes:
        lines += ["", "[[cube]]", *(entry(key, value) for key, value in cube.items())]
        lines += [entry("serial", ""), comment("ssh"), entry("ssh", "disabled")]
    if not draft.cubes:
        lines += ["", comment("cube"), "# [[cube]]", entry("name", ""), entry("address", "")]
    lines += ["", comment("cloud"), "# [cloud]"]
    lines += ['# tapio = ["disco.tapio.one"]', '# homag = ["connect.homag.cloud"]', ""]
    for table, servers in (("dns", found.dns), ("ntp", found.ntp)):
        given = ", ".join(servers) or say("cube.unknown", language)
        listed = ", ".join(json.dumps(one) for one in servers) or '"10.20.0.1"'
        lines += [comment("servers", given=given), f"# [{table}]", f"# servers = [{listed}]", ""]
    return "\n".join(lines)


def _write(file: Path, content: str) -> None:
    """Write the file, once it is known that it loads.

    Raises:
        SiteError: it does not.
        OSError: it cannot be written.
    """
    with tempfile.TemporaryDirectory(prefix="cube-acceptance-") as folder:
        trial = Path(folder) / file.name
        trial.write_text(content, "utf-8")
        try:
            load_site(trial)
        except SiteError as error:
            error.file = str(file)
            raise
    write_whole(file, [content.encode()])
    ownership.give_back([file])
