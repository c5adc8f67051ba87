"""The command ``cube-acceptance outside ADDRESS``: what of a CUBE answers the Internet.

The source says that a CUBE's own ports need no opening towards the Internet. From a computer
elsewhere in the world they are asked at the plant's public address, and a page tells what answered.
It is information and no verdict about the CUBE's network.
"""

from __future__ import annotations

import platform
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from cube_acceptance import __version__, addresses, network
from cube_acceptance.catalogue import Language
from cube_acceptance.certificate import page
from cube_acceptance.evidence import (
    CannotMeasure,
    Observation,
    PageObserved,
    SshObserved,
    Vantage,
    timestamp,
)
from cube_acceptance.judge import on_the_wire
from cube_acceptance.method import system_name
from cube_acceptance.network import FAMILIAR
from cube_acceptance.probes.http import PageProbe
from cube_acceptance.probes.net import vantage as vantages
from cube_acceptance.probes.net.measuring import attempted
from cube_acceptance.probes.ssh import SshProbe
from cube_acceptance.run import folder_of, times, write_whole
from cube_acceptance.runner import Finished, NoRoomError, Runner, check_room
from cube_acceptance.setup import Ports
from cube_acceptance.text import computer, wording
from cube_acceptance.text.foreign import one_line, plain
from cube_acceptance.text.options import Options
from cube_acceptance.text.wording import say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


SCHEMA = "cube-acceptance/outside/1"

Service = Literal["diag_new", "diag_old", "conn", "ssh"]
"""What is asked for, by the names that :class:`~cube_acceptance.setup.Ports` has."""

Finding = Literal["cube", "shell", "other", "unclear", "closed", "not-asked"]
"""What became of one question; ``other`` is a page that shows no word of a CUBE's."""

Conclusion = Literal["cube", "shell", "not-asked", "unclear", "nothing"]

SERVICES: tuple[Service, ...] = ("diag_new", "diag_old", "conn", "ssh")

WEIGHT: tuple[Conclusion, ...] = ("cube", "shell", "not-asked", "unclear")
"""Which finding of several is the conclusion: what answers has answered, whatever else is open."""

STATUS: dict[Conclusion, int] = {
    "cube": 1,
    "shell": 1,
    "not-asked": 10,
    "unclear": 10,
    "nothing": 0,
}
"""The exit statuses; 10 is no statement, as of a session."""

FIRST_ERROR = 400
"""From this HTTP status on, what comes is not the page (RFC 9110 section 15)."""

TEXT_LIMIT = 200
"""Characters of what a stranger's server says that are shown."""

LIMITS = ("senders", "way", "addresses", "moment", "inside")
"""What the answers do not prove, a sentence each."""


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """One port that was asked, and what came of it."""

    service: Service
    port: int
    finding: Finding
    observation: Observation


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the page and ``outside.json`` say."""

    schema: str = SCHEMA
    finding: Conclusion
    exit_status: int
    address: str
    language: Language
    time: dict[str, Any]
    host: str
    system: str
    interface: str
    """What the questions left by; empty where there was no way."""
    source: str
    version: str = __version__
    questions: tuple[Question, ...]


def is_public(address: str) -> bool:
    """Whether an address can be a plant's in the Internet (RFC 6890)."""
    return network.usable(address, allow_private=False)


def main(
    arguments: list[str],
    ports: Ports = Ports(),  # noqa: B008 - frozen
    may_ask: Callable[[str], bool] = is_public,
) -> int:
    """Run ``cube-acceptance outside ADDRESS``.

    On other ports, and at an address that is not public, only simulated servers are asked.
    """
    parser = Options(
        arguments,
        prog="cube-acceptance outside",
        description="Ask from elsewhere in the Internet whether anything of a CUBE answers there.",
        epilog="Exit status: 0 nothing of a CUBE answers; 1 something does, or a shell, whoever's; "
        "10 no statement; 4 usage.",
    )
    parser.add_argument("address", metavar="ADDRESS", help="the plant's public IPv4 address")
    parser.add_argument(
        "--reports",
        type=Path,
        metavar="DIR",
        default=Path("reports"),
        help="where the report's folder goes (default: ./reports)",
    )
    options = parser.parse_args(arguments)
    if objection := objection_to(options.address, may_ask):
        parser.error(objection)
    folder = options.reports / folder_of(f"outside-{options.address}", datetime.now(UTC))
    try:
        check_room(simulated=False)
        folder.mkdir(parents=True)
        report = ask(options.address, ports, options.lang or computer.language())
        write(report, folder)
    except NoRoomError as error:
        parser.error(str(error))
    except OSError as error:
        parser.error(f"--reports: {plain(options.reports)}: {error.strerror}")
    for line in (*lines(report), str(folder)):
        sys.stdout.write(f"{plain(line)}\n")
    return report.exit_status


def objection_to(address: str, may_ask: Callable[[str], bool]) -> str:
    """Return why an address is none that can be asked from outside; empty where it is one."""
    if not addresses.read(address):
        return f"{one_line(address, TEXT_LIMIT)} is no IPv4 address: name the plant's public one"
    if may_ask(address):
        return ""
    return (
        f"{address} is no public address, so nobody is reached by it from outside: "
        "name the address that the plant has in the Internet"
    )


def ask(address: str, ports: Ports, language: Language) -> Report:
    """Ask every port side by side, and conclude."""
    started = timestamp()
    vantage = find_vantage(address)
    if isinstance(vantage, CannotMeasure):
        seen: list[Observation] = [vantage] * len(SERVICES)
    else:
        seen = observe([probe(service, vantage, address, ports) for service in SERVICES])
    questions = tuple(
        Question(
            service=service,
            port=getattr(ports, service),
            finding=finding(observation),
            observation=observation,
        )
        for service, observation in zip(SERVICES, seen, strict=True)
    )
    conclusion = conclude(one.finding for one in questions)
    here = vantage if isinstance(vantage, Vantage) else None
    return Report(
        finding=conclusion,
        exit_status=STATUS[conclusion],
        address=address,
        language=language,
        time=times(started, timestamp()),
        host=platform.node(),
        system=system_name(),
        interface=here.interface if here else "",
        source=here.address if here else "",
        questions=questions,
    )


def find_vantage(address: str) -> Vantage | CannotMeasure:
    """Find the way out to an address, or say why there is none."""
    return attempted(lambda _: vantages.find_vantage(address))


def probe(service: Service, vantage: Vantage, address: str, ports: Ports) -> PageProbe | SshProbe:
    """Make the probe of one service; of a shell no more is read than that it is one."""
    port = getattr(ports, service)
    if service == "ssh":
        return SshProbe(vantage=vantage, address=address, port=port, fingerprints_wanted=False)
    return PageProbe(vantage=vantage, address=address, port=port, listen_for=FAMILIAR)


def observe(probes: list[PageProbe | SshProbe]) -> list[Observation]:
    """Run probes side by side and return what they saw, in their order."""
    runner = Runner()
    submitted = [one for one in probes if runner.submit(one)]
    told = [runner.events.get() for _ in submitted]
    seen = {each.key: each.observation for each in told if isinstance(each, Finished)}
    return [seen[one.key] for one in probes]


def finding(seen: Observation) -> Finding:
    """Describe what one observation means for the question whether a CUBE answers.

    An ICMP message that there is no way tells of the way and of nobody at its end.
    """
    if not isinstance(seen, PageObserved | SshObserved):
        return "not-asked"
    if isinstance(seen, PageObserved) and seen.familiar:
        return "cube"
    if isinstance(seen, SshObserved) and seen.banner:
        return "shell"
    if seen.trouble and seen.trouble.phase == "tcp":
        return "not-asked" if seen.trouble.kind == "no-route" else "closed"
    return "other" if is_another(seen) else "unclear"


def is_another(seen: PageObserved | SshObserved) -> bool:
    """Whether what answers without a word of a CUBE's has shown itself.

    A page has where it was read to its end. A login, an error, a redirect to another host and a
    connection that broke off hide whose it is. On the shell's port another protocol is no shell.
    """
    if isinstance(seen, SshObserved):
        return seen.trouble is not None and seen.trouble.kind == "malformed"
    if seen.trouble or seen.redirect:
        return False
    last = seen.replies[-1]
    return last.status < FIRST_ERROR and last.size > 0 and last.complete


def conclude(findings: Iterable[Finding]) -> Conclusion:
    """Conclude from the findings of all questions: the weightiest, else nothing of a CUBE."""
    found = set(findings)
    return next((one for one in WEIGHT if one in found), "nothing")


def heard(seen: Observation) -> str:
    """Quote what came: a banner, a page's status, title and words, or what the wire showed."""
    if isinstance(seen, CannotMeasure):
        return " · ".join(filter(None, (seen.detail, seen.command)))
    if isinstance(seen, SshObserved) and (seen.banner or seen.turned_away):
        return one_line(seen.banner or seen.turned_away, TEXT_LIMIT)
    parts = []
    if isinstance(seen, PageObserved) and seen.replies:
        last = seen.replies[-1]
        words = [word for word in FAMILIAR if word in seen.found]
        parts = [f"HTTP {last.status}", last.title, ", ".join(words), seen.redirect]
    if isinstance(seen, PageObserved | SshObserved) and seen.trouble:
        parts.append(on_the_wire(seen.trouble))
    return " · ".join(one_line(part, TEXT_LIMIT) for part in parts if part)


def lines(report: Report) -> list[str]:
    """Write the report for a terminal: the conclusion, and a line for each question."""
    language = report.language
    said = [f"{report.address}: {say(f'outside.found_{report.finding}', language)}"]
    for one in report.questions:
        came = say(f"outside.{one.finding}", language)
        said.append(f"TCP {one.port}: {came} ({one_line(heard(one.observation), TEXT_LIMIT)})")
    return [*said, say("outside.information", language)]


def render(report: Report) -> str:
    """Render the report as a page that stands alone."""
    template = page.templates().get_template("outside.jinja")
    return template.render(
        report=report,
        language=report.language,
        say=partial(say, language=report.language),
        when=wording.span(report.time, report.language),
        heard=heard,
        limits=LIMITS,
    )


def write(report: Report, folder: Path) -> None:
    """Write ``outside.json`` and the page of it.

    Raises:
        OSError: one of them cannot be written.
    """
    data = msgspec.json.format(msgspec.json.encode(report), indent=1)
    write_whole(folder / "outside.json", [data, b"\n"])
    write_whole(folder / "outside.html", [render(report).encode()])
