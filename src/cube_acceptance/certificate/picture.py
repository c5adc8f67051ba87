"""Draws what has to be seen at a glance: the outcome's sign, the verdict's seal, the network path.

Every sign differs in shape, not in colour alone, and is drawn with paths, so that it needs no
font, prints without background graphics and survives where style sheets are removed.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from cube_acceptance.certificate import front
from cube_acceptance.certificate.markup import element, join
from cube_acceptance.text.wording import say
from cube_acceptance.verdict import OUTCOMES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from markupsafe import Markup

    from cube_acceptance.catalogue import Language
    from cube_acceptance.verdict import Outcome, Verdict

COLOURS: dict[Outcome, str] = {
    "pass": "#1a7f37",
    "fail": "#b3261e",
    "inconclusive": "#8a5a00",
    "waived": "#6639ba",
    "not-run": "#57606a",
    "not-applicable": "#57606a",
}
"""Each has a contrast of at least 4.5 to white (WCAG 2.2, 1.4.3)."""

SEALS: dict[Verdict, Outcome] = {
    "accepted": "pass",
    "accepted-with-reservations": "waived",
    "rejected": "fail",
    "incomplete": "inconclusive",
}
"""A verdict wears the sign of the outcome that it follows from."""

_SHAPES: dict[Outcome, str] = {
    "pass": "M8 .5a7.5 7.5 0 1 1 0 15a7.5 7.5 0 0 1 0-15z",
    "fail": "M5 .5h6L15.5 5v6L11 15.5H5L.5 11V5z",
    "inconclusive": "M8 .2L15.8 8L8 15.8L.2 8z",
    "waived": "M8 .6L15.8 15H.2z",
    "not-run": "M1.5 1.5h13v13h-13z",
    "not-applicable": "",
}
_SIGNS: dict[Outcome, str] = {
    "pass": "M4.6 8.3l2.4 2.4l4.4-5",
    "fail": "M5.2 5.2l5.6 5.6M10.8 5.2l-5.6 5.6",
    "inconclusive": "M6.2 6.5a1.9 1.9 0 1 1 2.6 1.8c-.6.3-.8.6-.8 1.2M8 11.6v.2",
    "waived": "M8 6v4.4M8 12.4v.2",
    "not-run": "M5 8h6",
    "not-applicable": "M3 8h10",
}
HOLLOW = frozenset({"not-run", "not-applicable"})
"""Outcomes without a statement: their sign is an outline, not a filled shape."""


def _drawn(outcome: Outcome, *, hollow: bool = False) -> Markup:
    hollow = hollow or outcome in HOLLOW
    colour = COLOURS["not-run"] if hollow else COLOURS[outcome]
    shape = element(
        "path",
        d=_SHAPES[outcome],
        fill="#ffffff" if hollow else colour,
        stroke=colour,
        stroke_width="1.5" if hollow else None,
        stroke_dasharray="2.4 1.6" if hollow else None,
    )
    sign = element(
        "path",
        d=_SIGNS[outcome],
        fill="none",
        stroke=colour if hollow else "#ffffff",
        stroke_width="1.8",
        stroke_linecap="round",
        stroke_linejoin="round",
    )
    return join([shape if _SHAPES[outcome] else "", sign])


def icon(outcome: Outcome) -> Markup:
    """Draw an outcome's sign; the word always stands beside it, so it is silent to readers."""
    return _silent(_drawn(outcome), "sign", 16, viewBox="0 0 16 16")


def _silent(drawing: Markup, kind: str, size: int, **attributes: str) -> Markup:
    """Put a drawing on the page that readers pass over."""
    hidden = {"width": size, "height": size, "aria_hidden": "true", "focusable": "false"}
    return element("svg", drawing, class_=kind, **attributes, **hidden)


@cache
def signs() -> Markup:
    """Draw every outcome's sign once, out of sight, for :func:`outcome` to refer to."""
    drawn = (
        element("symbol", _drawn(word), id=f"sign-{word}", viewBox="0 0 16 16") for word in _SHAPES
    )
    return _silent(join(drawn), "signs", 0)


@cache
def outcome(word: Outcome, language: Language) -> Markup:
    """Show an outcome as sign and word; :func:`signs` has to stand on the page as well."""
    sign = _silent(element("use", href=f"#sign-{word}"), "sign", 16)
    return element(
        "span", sign, " ", element("span", say(f"outcome.{word}", language)), class_="outcome"
    )


def seal(verdict: Verdict, *, simulated: bool = False) -> Markup:
    """Draw a verdict's sign, a simulated one as an outline; the word stands beside it."""
    drawing = _drawn(SEALS[verdict], hollow=simulated)
    return _silent(drawing, "seal", 56, viewBox="-1 -1 18 18")


def by_requirement(
    results: Iterable[Mapping[str, Any]],
) -> dict[str, list[Mapping[str, Any]]]:
    """Put the results of each requirement together, in catalogue order."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for result in results:
        groups.setdefault(result["requirement"], []).append(result)
    return groups


class Node(NamedTuple):
    """A place on the way, with the middle of its column."""

    key: str
    x: int
    drawing: str


NODES = (
    Node("cube", 64, "M-11-6L0-12L11-6V7L0 13L-11 7zM-11-6L0 0L11-6M0 0V13"),
    Node("computer", 258, "M-11-10H11V6H-11zM-16 11H16L12 6H-12z"),
    Node("network", 352, "M-15-5H15V7H-15zM-10 1h2M-5 1h2M0 1h2M5 1h2M10 1h1M0-5V-11"),
    Node("gateway", 446, "M-13-10H13V10H-13zM-13-3H13M-13 4H13M-4-10V-3M5-3V4M-4 4V10"),
    Node("internet", 540, "M0-12a12 12 0 1 0 .1 0zM-12 0H12M0-12c-8 7-8 17 0 24c8-7 8-17 0-24"),
    Node("tapio", 622, "M-11 8a6 6 0 0 1-1-12a8 8 0 0 1 15-3a7 7 0 0 1 8 15z"),
    Node("homag", 706, "M-11 8a6 6 0 0 1-1-12a8 8 0 0 1 15-3a7 7 0 0 1 8 15z"),
)
PLACES = {node.key: node for node in NODES}

REACH = {"HTTPS-01": "homag", "PING-01": "tapio"}
"""How far an outgoing requirement reaches; where nothing is said, into the Internet."""

STOPS = {"HTTPS-01": ("tapio",)}
"""Places that a requirement also ends at on its way."""

WIDTH = 760
HEAD = 76
"""The height of the row of places."""

ROW = 23
_LINES: dict[Outcome, str | None] = {
    "pass": None,
    "waived": "10 3 2 3",
    "fail": "7 4",
    "inconclusive": "2 4",
    "not-run": "2 4",
    "not-applicable": "1 6",
}


class Arrow(NamedTuple):
    """A requirement on the path."""

    requirement: str
    title: str
    start: Node
    end: Node
    outcome: Outcome
    label: str


def arrows(certificate: Mapping[str, Any]) -> list[Arrow]:
    """Say for every requirement from where to where it leads, and how it fared."""
    return [
        _arrow(requirement, results)
        for requirement, results in by_requirement(certificate["results"]).items()
    ]


def _arrow(requirement: str, results: Sequence[Mapping[str, Any]]) -> Arrow:
    first = results[0]
    ends = {
        "internal": PLACES["cube"],
        "lan": PLACES["network"],
        "outbound": PLACES[REACH.get(requirement, "internet")],
    }
    outcome, share = front.aggregate(results)
    return Arrow(
        requirement=requirement,
        title=first["title"],
        start=PLACES["computer"],
        end=ends[first["direction"]],
        outcome=outcome,
        label=f"{requirement}  {share or first['port']}",
    )


def path(certificate: Mapping[str, Any], language: Language) -> Markup:
    """Draw the network path with every requirement as an arrow, and its outcome on it."""
    drawn = arrows(certificate)
    inward = [arrow for arrow in drawn if arrow.end.x < arrow.start.x]
    outward = [arrow for arrow in drawn if arrow.end.x > arrow.start.x]
    height = HEAD + ROW * max(len(inward), len(outward)) + 12
    rows = [
        _row(arrow, HEAD + ROW * (number + 1) - 4)
        for side in (inward, outward)
        for number, arrow in enumerate(side)
    ]
    return element(
        "svg",
        element("title", say("picture.title", language), id="path-title"),
        element("desc", describe(drawn, language), id="path-desc"),
        element("rect", class_="ground", x=4, y=2, width=392, height=height - 4, rx=8),
        element("rect", class_="ground", x=496, y=2, width=260, height=height - 4, rx=8),
        element("line", class_="wire", x1=PLACES["cube"].x, x2=PLACES["homag"].x, y1=22, y2=22),
        join(_place(node, certificate, language, height) for node in NODES),
        join(rows),
        class_="route",
        role="img",
        aria_labelledby="path-title",
        aria_describedby="path-desc",
        viewBox=f"0 0 {WIDTH} {height}",
    )


def describe(drawn: Sequence[Arrow], language: Language) -> str:
    """Say in words what the picture shows."""
    sentences = [
        say(
            "picture.arrow",
            language,
            requirement=arrow.requirement,
            title=arrow.title,
            from_=say(f"picture.{arrow.start.key}", language),
            to=say(f"picture.{arrow.end.key}", language),
            outcome=say(f"outcome.{arrow.outcome}", language),
        )
        for arrow in drawn
    ]
    return " ".join([say("picture.summary", language), *sentences])


def legend(certificate: Mapping[str, Any], language: Language) -> Markup:
    """Explain the signs that the picture uses."""
    used = {arrow.outcome for arrow in arrows(certificate)}
    return element(
        "ul",
        join(element("li", outcome(word, language)) for word in OUTCOMES if word in used),
        class_="legend",
        aria_label=say("picture.legend", language),
    )


def _place(node: Node, certificate: Mapping[str, Any], language: Language, height: int) -> Markup:
    lines = _name(node, certificate, language)
    return join(
        [
            element("line", class_="lifeline", x1=node.x, x2=node.x, y1=HEAD - 8, y2=height - 8),
            element("circle", class_="ground", cx=node.x, cy=22, r=20),
            element("path", class_="place", d=node.drawing, transform=f"translate({node.x} 22)"),
            join(
                element(
                    "text",
                    line,
                    class_="name" if number == 0 else "detail",
                    x=node.x,
                    y=54 + 12 * number,
                    text_anchor="middle",
                )
                for number, line in enumerate(lines)
            ),
        ]
    )


def _name(node: Node, certificate: Mapping[str, Any], language: Language) -> list[str]:
    """Return a place's name, and its address where that is known."""
    name = say(f"picture.{node.key}", language)
    vantage = certificate["vantage"]
    if node.key == "homag":
        first, _, rest = name.partition(" ")
        return [first, rest]
    cubes = certificate["item"]["cubes"]
    if node.key == "cube" and len(cubes) > 1:
        return [say("cube.counted", language, count=len(cubes))]
    details = {
        "cube": cubes[0]["address"] if cubes else "",
        "computer": vantage["address"],
        "gateway": vantage["gateway"],
    }
    return [name, details.get(node.key) or ""]


def _row(arrow: Arrow, y: int) -> Markup:
    """Draw one arrow: the sign at its start, the label on it, stops where it also ends."""
    colour = COLOURS[arrow.outcome]
    start, end = arrow.start.x, arrow.end.x
    inward = end < start
    tip = end + 3 if inward else end - 3
    back = tip + 8 if inward else tip - 8
    left = end + 12 if inward else start + 12
    sign_x = left if inward else left - 4
    stops = [PLACES[key].x for key in STOPS.get(arrow.requirement, ())]
    return element(
        "g",
        element(
            "line",
            x1=start,
            x2=back,
            y1=y,
            y2=y,
            stroke=colour,
            stroke_width="2",
            stroke_dasharray=_LINES[arrow.outcome],
        ),
        element("polygon", points=f"{tip},{y} {back},{y - 4} {back},{y + 4}", fill=colour),
        join(element("circle", cx=x, cy=y, r=4, fill=colour) for x in stops),
        element("g", _drawn(arrow.outcome), transform=f"translate({sign_x} {y - 9}) scale(1.1)"),
        element("text", arrow.label, class_="label", x=sign_x + 22, y=y - 4),
    )
