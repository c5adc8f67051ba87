"""Writes ``docs/performance.md`` from the figures; every number on the page comes from them."""

from __future__ import annotations

import math
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from benchmarks.conditions import Decided
from benchmarks.peers import DECIDES, OFFER_S
from benchmarks.timing import FLEET, LARGE, PROCESSES, SILENT
from benchmarks.work import Measured

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

HEALTHY_WAIT_S = 4.0
"""DHCP-01 listens for further servers until 4 s after the first DISCOVER; four echo requests
1.2 s apart are over after 3.6 s."""
DARK_WAIT_S = 10.0
"""DHCP-01 gives up after 10 s of silence."""

TEMPLATE = """\
# Performance

{judgement}

Written by `python -m benchmarks`; not to be edited by hand. It asserts nothing: the figures are
what this machine showed on {date} at commit {commit}, and *at most* is what the suite wants to
keep to, by the median.

{facts}

## The work beside its floor

A floor is what the rules of the measurement demand, plus an empty pytest run with the same plugins
in the same round. Healthy: {healthy_wait:g} s, the DHCP window (four echo requests 1.2 s apart are
over after 3.6 s). Dark, where the switch forwards no IP packet: {dark_wait:g} s, DHCP's silence.
*Everything* is a site file with the CUBE's hardware address and a login at its shell: DHCP is asked
in its name as well, and the clouds are reached through it. The empty run holds one test that does
nothing and writes no report; a fleet's holds as many cases as its session and writes the same
reports. The floor of `cube-acceptance` is `pytest` on the same site. Times are wall clock: median
and, in brackets, least and most of all rounds.

{work}

## Fleets

The CUBEs are addresses on one interface, all healthy or {silent} of them dark; one nginx has their
pages, one small program answers for all of them by mDNS and LLMNR, and the suite shares the
machine's processors with both. *Plain exchanges* are the same questions put by requests, paramiko,
dnspython and a plain socket, one after another, unchecked and unrecorded. *Empty cases* are an
empty pytest run of as many cases with the same reports; both together are a fleet's floor.

{fleets}

{fleet_targets}

With `-n {processes}` pytest-xdist's worker processes judge the cases; the measurements are made
once, by the controller. Below 1 that helps. Memory is that of the largest process.

{spread}

What is in use at once is bounded whatever the number of CUBEs: at most 1,024 probes are under way
with a socket of their own. What is beyond waits its turn in order, so a slow host holds up no other
while there is a free place. Several CUBEs are asked in one thread. Echo requests, mDNS and LLMNR
have one socket each in it for all CUBEs; pages, and shells whose host keys are not read, have one
each, of which three quarters of those places may be open. Of each kind, one is begun every
millisecond; echo requests and names go before pages, which take more of the processor's time.
Every other probe has a thread of 256 KiB stack: those of servers, shells whose host keys are read,
a single CUBE's, pages that a CUBE's redirect moves into TLS, and each CUBE's echo requests where
this computer lets nobody open a socket for them. The mDNS question for services, which every device
of a link answers, is put once for all CUBEs. At a limit of the computer:

- *files* (`ulimit -n`): of the files that the process may open, 64 are left alone and each two of
  the others let one probe be under way, so 256 files mean 96 probes at once; the run takes longer
  and finds the same;
- *threads*: where the system gives no more, those that run do all the work, more slowly;
- *neighbours*: Linux keeps 1,024 entries for all networks together
  (`net.ipv4.neigh.default.gc_thresh3`). A segment with nearly as many CUBEs needs a higher value
  on the computer that measures. The benchmark enters its neighbours by hand.

## Beside the peers

The same two networks in the same rounds. The peers are shell scripts over Debian's
`monitoring-plugins` and over `nmap` with its scripts, each as far as it can; they end well when
everything required that they can decide is well, and are given the addresses that DHCP and DNS
hand out. `check_dhcp` listens for as long as it is told, here {offer} s, since a server that first
looks whether its address is free answers after 3 s; the pings are as many, and wait as long, as
the suite's.

{peers}

Which entries each can decide at all (the suite: all eleven):

{decides}

{conditions}
## Repeat it

On Linux as root, with what `selftests/lab/` needs and
`apt-get install --no-install-recommends monitoring-plugins-basic monitoring-plugins-standard
bind9-dnsutils nmap`:

    python -m benchmarks --times {rounds}
    python -m benchmarks conditions --stride {stride}

Both write their figures to `docs/performance.json` and then this page. Nothing leaves the
namespaces, and nothing else should run on the machine meanwhile.
"""


class Figures(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Everything that the page is made from."""

    date: str = ""
    commit: str = ""
    rounds: int = 0
    facts: dict[str, str] = {}
    timing: dict[str, list[Measured]] = {}
    stride: int = 10
    conditions: list[Decided] = []


def write(figures: Figures) -> str:
    """Write the page."""
    taken = figures.timing
    return TEMPLATE.format(
        judgement=_judgement(taken),
        date=figures.date,
        commit=figures.commit,
        facts=table(("machine", ""), figures.facts.items()),
        healthy_wait=HEALTHY_WAIT_S,
        dark_wait=DARK_WAIT_S,
        work=_work(taken),
        silent=SILENT,
        fleets=_fleets(taken),
        fleet_targets=_fleet_targets(taken),
        processes=PROCESSES,
        spread=_spread(taken),
        peers=_peers(taken),
        offer=OFFER_S,
        decides=table(
            ("entry", "monitoring-plugins", "nmap"),
            ((entry, told["plugins"], told["nmap"]) for entry, told in DECIDES.items()),
        ),
        conditions=_conditions(figures),
        rounds=figures.rounds,
        stride=figures.stride,
    )


def table(heads: Sequence[str], rows: Iterable[Iterable[str]]) -> str:
    """Write a table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def spread(values: Sequence[float], unit: str = " s", digits: int = 2) -> str:
    """Write the median with the least and the most."""
    low, high = min(values), max(values)
    return f"{median(values):.{digits}f}{unit} ({low:.{digits}f} … {high:.{digits}f})"


def _seconds(runs: Sequence[Measured]) -> list[float]:
    return [run.seconds for run in runs]


def _ratios(
    taken: dict[str, list[Measured]], name: str, floor: Callable[[int], float]
) -> list[float]:
    return [run.seconds / floor(number) for number, run in enumerate(taken[name])]


class Bound(NamedTuple):
    """One figure that the suite wants to keep below a limit."""

    words: str
    values: list[float]
    limit: float
    unit: str = ""
    digits: int = 2

    @property
    def missed(self) -> bool:
        """Whether the median is beyond the limit, as exactly as it is shown."""
        return round(median(self.values), self.digits) > self.limit

    def shown(self) -> tuple[str, str]:
        """Write the figure and its limit."""
        limit = f"{self.limit:.{self.digits}f}{self.unit}"
        return spread(self.values, self.unit, self.digits), limit


class Work(NamedTuple):
    """What is done, beside the floor of the same round."""

    words: str
    name: str
    floors: list[float]
    limit: float

    def bound(self, taken: dict[str, list[Measured]]) -> Bound:
        """Compute the ratios."""
        pairs = zip(_seconds(taken[self.name]), self.floors, strict=True)
        return Bound(self.words, [seconds / floor for seconds, floor in pairs], self.limit)


def _works(taken: dict[str, list[Measured]]) -> list[Work]:
    empty = _seconds(taken["empty"])
    healthy = [HEALTHY_WAIT_S + seconds for seconds in empty]
    dark = [DARK_WAIT_S + seconds for seconds in empty]
    fleet = [HEALTHY_WAIT_S + seconds for seconds in _seconds(taken["fleet-empty"])]
    return [
        Work("healthy site, one CUBE", "healthy", healthy, 1.05),
        Work("the same, everything", "full", healthy, 1.05),
        Work("`-m required`, healthy site", "required", healthy, 1.05),
        Work("dark site, one CUBE", "dark", dark, 1.05),
        Work("the same, with `dns.servers` and `ntp.servers`", "dark-servers", dark, 1.05),
        Work("start-up: `--collect-only`", "collect", _seconds(taken["empty-collect"]), 1.15),
        Work(f"{FLEET} CUBEs, healthy", "fleet", fleet, 1.25),
        Work("`cube-acceptance`, healthy site", "command", _seconds(taken["healthy"]), 1.03),
    ]


def _work(taken: dict[str, list[Measured]]) -> str:
    return table(
        ("work", "time", "floor", "ratio", "at most"),
        (
            (
                work.words,
                spread(_seconds(taken[work.name])),
                f"{median(work.floors):.2f} s",
                *work.bound(taken).shown(),
            )
            for work in _works(taken)
        ),
    )


def _judgement(taken: dict[str, list[Measured]]) -> str:
    """Name the bounds that are missed; this is the page's first line."""
    bounds = [*(work.bound(taken) for work in _works(taken)), *_bounds(taken), _spread_bound(taken)]
    missed = [
        f"{bound.words} ({median(bound.values):.{bound.digits}f}{bound.unit}, at most"
        f" {bound.limit:.{bound.digits}f}{bound.unit})"
        for bound in bounds
        if bound.missed
    ]
    if not missed:
        return f"All {len(bounds)} bounds are kept."
    return f"**{len(missed)} of {len(bounds)} bounds are missed: {'; '.join(missed)}.**"


def _fleets(taken: dict[str, list[Measured]]) -> str:
    rows = {
        "one CUBE": "healthy",
        f"{FLEET} CUBEs": "fleet",
        f"{FLEET} CUBEs, plain exchanges": "fleet-plain",
        f"{FLEET} CUBEs, empty cases": "fleet-empty",
        f"{LARGE:,} CUBEs": "large",
        f"{LARGE:,} CUBEs, plain exchanges": "large-plain",
        f"{LARGE:,} CUBEs, empty cases": "large-empty",
        f"{LARGE:,} CUBEs, {SILENT} of them dark": "large-dark",
    }
    return table(
        ("work", "time", "processor time", "memory at its peak"),
        (
            (
                words,
                spread(_seconds(taken[name])),
                spread([run.cpu_s for run in taken[name]]),
                spread([run.peak_kib / 1024 for run in taken[name]], " MiB", 0),
            )
            for words, name in rows.items()
        ),
    )


def _bounds(taken: dict[str, list[Measured]]) -> list[Bound]:
    rounds = range(len(taken["large"]))

    def cpu(name: str, number: int) -> float:
        return taken[name][number].cpu_s

    growth = [
        math.log(
            (cpu("large", n) - cpu("healthy", n)) / max(cpu("fleet", n) - cpu("healthy", n), 0.001)
        )
        / math.log(LARGE / FLEET)
        for n in rounds
    ]
    together = [
        taken["large-dark"][n].seconds
        / (DARK_WAIT_S + taken["empty"][n].seconds + taken["large"][n].seconds)
        for n in rounds
    ]
    return [
        Bound(
            f"processor time of {LARGE:,} CUBEs, against the fleet's floor",
            [cpu("large", n) / (cpu("large-plain", n) + cpu("large-empty", n)) for n in rounds],
            1.7,
        ),
        Bound(
            f"exponent of the processor time, {FLEET} to {LARGE:,} CUBEs, less one CUBE's",
            growth,
            1.02,
        ),
        Bound(
            f"memory at its peak, {LARGE:,} CUBEs",
            [run.peak_kib / 1024 for run in taken["large"]],
            170,
            " MiB",
            0,
        ),
        Bound(f"{SILENT} dark ones: time, against dark floor plus fleet's time", together, 1.0),
        Bound(
            "writing the certificate, of the run's time",
            [100 * run.certificate_s / run.seconds for run in taken["large"]],
            5,
            " %",
            1,
        ),
    ]


def _fleet_targets(taken: dict[str, list[Measured]]) -> str:
    each = [
        (large.cpu_s - plain.cpu_s) / LARGE * 1000
        for large, plain in zip(taken["large"], taken["large-plain"], strict=True)
    ]
    beyond = ("processor time a CUBE beyond the plain exchanges", spread(each, " ms", 1), "")
    return table(
        (f"{LARGE:,} CUBEs, one process", "measured", "at most"),
        [*((bound.words, *bound.shown()) for bound in _bounds(taken)), beyond],
    )


def _spread_bound(taken: dict[str, list[Measured]]) -> Bound:
    against = _ratios(taken, "large-spread", _seconds(taken["large"]).__getitem__)
    words = f"`-n {PROCESSES}` with {LARGE:,} CUBEs, against one process"
    return Bound(words, against, 0.85)


def _spread(taken: dict[str, list[Measured]]) -> str:
    rows = []
    for words, name in (("one CUBE", "healthy"), (f"{LARGE:,} CUBEs", "large")):
        several = f"{name}-spread"
        against = _ratios(taken, several, _seconds(taken[name]).__getitem__)
        peaks = [run.peak_kib / 1024 for run in taken[several]]
        rows.append(
            (
                words,
                spread(_seconds(taken[several])),
                spread(against, ""),
                f"{_spread_bound(taken).limit:.2f}" if name == "large" else "",
                spread(peaks, " MiB", 0),
            )
        )
    heads = (
        *("work", f"time with `-n {PROCESSES}`", "against one process", "at most"),
        "memory at its peak",
    )
    return table(heads, rows)


def _peers(taken: dict[str, list[Measured]]) -> str:
    rows = [("cube-acceptance", "healthy", "dark")]
    for peer, words in (("plugins", "monitoring-plugins"), ("nmap", "nmap")):
        for way, how in (("parallel", "all at once"), ("sequence", "one after another")):
            name = f"{peer}-{way}"
            rows.append((f"{words}, {how}", f"{name}-healthy", f"{name}-dark"))
    return table(
        ("", "healthy", "dark", "runs"),
        (
            (
                words,
                spread(_seconds(taken[healthy])),
                spread(_seconds(taken[dark])),
                f"{len(taken[healthy])}, {len(taken[dark])}",
            )
            for words, healthy, dark in rows
        ),
    )


def _conditions(figures: Figures) -> str:
    decided = figures.conditions
    if not decided:
        return ""
    rows = [("cube-acceptance", "suite"), ("monitoring-plugins", "plugins"), ("nmap", "nmap")]
    lines = []
    for words, name in rows:
        right = sum(getattr(one, name) == one.well for one in decided)
        missed = sum(getattr(one, name) and not one.well for one in decided)
        alarms = sum(one.well and not getattr(one, name) for one in decided)
        lines.append((words, f"{right} of {len(decided)}", str(missed), str(alarms)))
    exact = sum(one.exact for one in decided)
    return (
        f"Of the fault matrix every {figures.stride}th condition, {len(decided)} in all. A peer"
        " decides one rightly when its\noverall OK or not-OK agrees with whether the row expects"
        f" acceptance. The suite also got every entry,\ncause and observation as the row demands"
        f" in {exact} of {len(decided)}; the peers name none.\n\n"
        + table(("", "right", "fault missed", "false alarm"), lines)
        + "\n\n"
    )
