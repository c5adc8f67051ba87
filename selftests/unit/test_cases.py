"""Cases outside a session: on what is in so far."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec import structs

from cube_acceptance import cases, expected, store
from selftests.support import healthy
from selftests.support.cases import functions

if TYPE_CHECKING:
    from cube_acceptance.catalogue import Catalogue
    from cube_acceptance.expected import Owed


@pytest.fixture
def time(catalogue: Catalogue) -> Owed:
    """The case of the time server."""
    return expected.owed(catalogue, healthy.SITE)[1]


def test_what_is_under_way_is_waited_for(time: Owed) -> None:
    """A case is put off until everything that it reads is there, or will not be."""
    saved = healthy.saved()
    setup, so_far = saved.setup, store.Store(saved.setup.vantage)
    case = functions()[time.requirement]
    ends = []
    for key, observation in saved.observations.items():
        ends.append(cases.judge(case, time, setup, cases.SoFar(so_far)))
        so_far.put(key, observation)
    ends.append(cases.judge(case, time, setup, cases.SoFar(so_far)))

    assert ends[0] is None
    assert ends[-1] is not None
    assert ends[-1].outcome == "pass"

    empty = store.Store(setup.vantage)
    empty.close()
    end = cases.judge(case, time, setup, cases.SoFar(empty))
    assert (end.outcome, end.cause) == ("inconclusive", "internal-error")


@pytest.mark.parametrize(("mac", "waits"), [("", False), (healthy.CUBE_HARDWARE, True)])
def test_who_answers_is_known_last(catalogue: Catalogue, mac: str, *, waits: bool) -> None:
    """The page of a CUBE waits for that only where the site file names its hardware."""
    saved = healthy.saved()
    cubes = tuple(structs.replace(cube, mac=mac) for cube in healthy.SITE.cubes)
    site = structs.replace(healthy.SITE, cubes=cubes)
    setup = structs.replace(saved.setup, loaded=structs.replace(saved.setup.loaded, site=site))
    (page,) = (one for one in expected.owed(catalogue, site) if one.requirement == "DIAG-01")
    so_far = store.Store(setup.vantage)
    for key in saved.observations.keys() - {"neighbours"}:
        so_far.put(key, saved.observations[key])
    end = cases.judge(functions()["DIAG-01"], page, setup, cases.SoFar(so_far))

    assert (end is None) == waits
