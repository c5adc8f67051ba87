"""Writes ``docs/performance.md`` from the figures; every number on the page comes from them."""

from __future__ import annotations

import math
from statistics import median
from typing import TYPE_CHECKING

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
BASE_KIB, CUBE_KIB = 150 * 1024, 60

TEMPLATE = """\
# Performance

Written by `python -m benchmarks`; not to be edited by hand. It asserts nothing: the figures are
what this machine showed on {date}, and *at most* is what the suite wants to keep to.

{facts}

## The work beside its floor

A floor is what the rules of the measurement demand, plus an empty pytest run with the same plugins
in the same round. Healthy: {healthy_wait:g} s, the DHCP window (four echo requests 1.2 s apart are
over after 3.6 s). Dark, where the switch forwards no IP packet: {dark_wait:g} s, DHCP's silence.
The empty run holds one test that does nothing and writes no report. Times are wall clock: median
and, in brackets, least and most of all rounds.

{work}

## Fleets

The CUBEs are addresses on one interface, all healthy or {silent} of them dark; one nginx has their
pages, one small program answers for all of them by mDNS and LLMNR, and the suite shares the
machine's processors with both. *Plain exchanges* are the same questions put by requests, paramiko,
dnspython and a plain socket, one after another, unchecked and unrecorded.

{fleets}

{fleet_targets}

With `-n {processes}` pytest-xdist's worker processes judge the cases; the measurements are made
once, by the controller. Below 1 that helps. Memory is that of the largest process.

{spread}

What is in use at once is bounded whatever the number of CUBEs: at most 512 probes are under way,
each with one thread of 256 KiB stack and one socket, and now and then a file of the pace that echo
requests keep. What is beyond waits its turn in order, so a slow host holds up no other while there
is a free place. The mDNS question for services, which every device of a link answers, is put
once for all CUBEs. At a limit of the computer:

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
    rounds: int = 0
    facts: dict[str, str] = {}
    timing: dict[str, list[Measured]] = {}
    stride: int = 10
    conditions: list[Decided] = []


def write(figures: Figures) -> str:
    """Write the page."""
    taken = figures.timing
    return TEMPLATE.format(
        date=figures.date,
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


def _work(taken: dict[str, list[Measured]]) -> str:
    empty = _seconds(taken["empty"])
    collect = _seconds(taken["empty-collect"])

    def after(wait_s: float) -> Callable[[int], float]:
        return lambda number: wait_s + empty[number]

    rows = [
        ("healthy site, one CUBE", "healthy", after(HEALTHY_WAIT_S), "1.10"),
        ("dark site, one CUBE", "dark", after(DARK_WAIT_S), "1.10"),
        ("`-m required`, healthy site", "required", after(HEALTHY_WAIT_S), "1.15"),
        ("start-up: `--collect-only`", "collect", collect.__getitem__, "1.50"),
        (f"{FLEET} CUBEs, healthy", "fleet", after(HEALTHY_WAIT_S), "1.50"),
    ]
    return table(
        ("work", "time", "floor", "ratio", "at most"),
        (
            (
                words,
                spread(_seconds(taken[name])),
                f"{median(map(floor, range(len(empty)))):.2f} s",
                spread(_ratios(taken, name, floor), ""),
                limit,
            )
            for words, name, floor, limit in rows
        ),
    )


def _fleets(taken: dict[str, list[Measured]]) -> str:
    rows = {
        "one CUBE": "healthy",
        f"{FLEET} CUBEs": "fleet",
        f"{FLEET} CUBEs, plain exchanges": "fleet-plain",
        f"{LARGE:,} CUBEs": "large",
        f"{LARGE:,} CUBEs, plain exchanges": "large-plain",
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


def _fleet_targets(taken: dict[str, list[Measured]]) -> str:
    rounds = range(len(taken["large"]))

    def cpu(name: str, number: int) -> float:
        return taken[name][number].cpu_s

    each = [(cpu("large", n) - cpu("large-plain", n)) / LARGE * 1000 for n in rounds]
    growth = [
        math.log(
            (cpu("large", n) - cpu("healthy", n)) / max(cpu("fleet", n) - cpu("healthy", n), 0.001)
        )
        / math.log(LARGE / FLEET)
        for n in rounds
    ]
    allowed = (BASE_KIB + CUBE_KIB * LARGE) / 1024
    together = [
        taken["large-dark"][n].seconds
        / (DARK_WAIT_S + taken["empty"][n].seconds + taken["large"][n].seconds)
        for n in rounds
    ]
    share = [100 * run.certificate_s / run.seconds for run in taken["large"]]
    return table(
        (f"{LARGE:,} CUBEs, one process", "measured", "at most"),
        (
            ("processor time a CUBE beyond the plain exchanges", spread(each, " ms", 1), "15 ms"),
            (
                f"exponent of the processor time, {FLEET} to {LARGE:,} CUBEs, less one CUBE's",
                spread(growth, ""),
                "1.05",
            ),
            (
                "memory at its peak",
                spread([run.peak_kib / 1024 for run in taken["large"]], " MiB", 0),
                f"{allowed:.0f} MiB",
            ),
            (
                f"{SILENT} dark ones: time, against dark floor plus fleet's time",
                spread(together, ""),
                "1.00",
            ),
            ("writing the certificate, of the run's time", spread(share, " %", 1), "5 %"),
        ),
    )


def _spread(taken: dict[str, list[Measured]]) -> str:
    rows = []
    for words, name in (("one CUBE", "healthy"), (f"{LARGE:,} CUBEs", "large")):
        several = f"{name}-spread"
        against = _ratios(taken, several, _seconds(taken[name]).__getitem__)
        peaks = [run.peak_kib / 1024 for run in taken[several]]
        rows.append(
            (words, spread(_seconds(taken[several])), spread(against, ""), spread(peaks, " MiB", 0))
        )
    heads = ("work", f"time with `-n {PROCESSES}`", "against one process", "memory at its peak")
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
