"""SSH-01: the maintenance shell is in the state that the site expects (RFC 4253)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cube_acceptance.evidence import SshObserved
from cube_acceptance.judge import on_the_wire

if TYPE_CHECKING:
    from cube_acceptance.judge import Judge
    from cube_acceptance.site import Cube


@pytest.mark.requirement("SSH-01")
def test_the_maintenance_shell_is_in_the_expected_state(judge: Judge, cube: Cube) -> None:
    """The maintenance shell is off as delivered, or on and itself where the site expects it."""
    seen = judge.measured(f"ssh/{cube.address}", SshObserved)
    if cube.ssh == "enabled":
        rule_on_open_shell(judge, seen, cube)
    else:
        rule_on_closed_shell(judge, seen)


def rule_on_closed_shell(judge: Judge, seen: SshObserved) -> None:
    """Rule where the shell is expected to be off: only the CUBE's own refusal proves it."""
    if shown := seen.banner or seen.turned_away:
        judge.fail("unexpectedly-open", address=seen.address, banner=shown)
    trouble = seen.trouble
    if trouble is None or trouble.phase != "tcp":
        judge.inconclusive("ambiguous", "ambiguous.open", address=seen.address)
    own = trouble.icmp_code is None or trouble.icmp_source == seen.address
    if trouble.kind == "refused" and own:
        judge.passes(address=seen.address, state="disabled")
    detail = on_the_wire(trouble)
    text = "" if trouble.kind == "no-answer" else "ambiguous.filtered"
    judge.inconclusive("ambiguous", text, address=seen.address, detail=detail)


def rule_on_open_shell(judge: Judge, seen: SshObserved, cube: Cube) -> None:
    """Rule where the shell is expected to be on: banner, key exchange, and the pinned key."""
    if trouble := seen.trouble:
        text = trouble.kind if trouble.phase == "tcp" else f"{trouble.kind}.{trouble.phase}"
        judge.fail(trouble.kind, text, address=seen.address, detail=on_the_wire(trouble))
    if not seen.banner or not seen.key_exchange:
        judge.fail("malformed", address=seen.address)
    keys = [fingerprint for _, fingerprint in seen.fingerprints] or [seen.fingerprint]
    if cube.ssh_fingerprint and cube.ssh_fingerprint not in keys:
        if seen.unread or not any(keys):
            judge.inconclusive("ambiguous", "ambiguous.key", address=seen.address)
        judge.fail("changed-identity", address=seen.address, fingerprint=keys[0])
    judge.passes(address=seen.address, banner=seen.banner, fingerprint=seen.fingerprint)
