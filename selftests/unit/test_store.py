"""Tests of the store: who waits gets the observation, or is told that there is none."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from cube_acceptance import catalogue as catalogues
from cube_acceptance.expected import owed
from cube_acceptance.store import NotMeasuredError, Replay, Spool, Store
from selftests.support.builders import cannot, lease
from selftests.support.healthy import SITE, VANTAGE, observations, saved

if TYPE_CHECKING:
    from pathlib import Path

    from cube_acceptance.evidence import Observation

LIMIT_S = 20.0
"""How long a test waits for what must happen at once; reached only where it fails."""


class TestStore:
    """Observations for those who wait."""

    def test_gives_at_once_what_is_there(self) -> None:
        """Most cases come after their observation."""
        store = Store()
        store.put("a", cannot())

        assert store.get("a") == cannot()

    def test_the_first_stays(self) -> None:
        """Cases that read the same key must see the same observation."""
        store = Store()
        store.put("a", cannot())
        store.put("a", lease())

        assert store.get("a") == cannot()

    def test_waits_for_what_comes(self) -> None:
        """A case may come before its observation."""
        store = Store()
        found: list[Observation] = []
        waiting = threading.Thread(target=lambda: found.append(store.get("b")), daemon=True)
        waiting.start()
        store.put("a", lease())
        store.put("b", cannot())
        waiting.join(LIMIT_S)

        assert found == [cannot()]

    def test_nobody_is_woken_for_what_he_does_not_want(self) -> None:
        """A thousand CUBEs bring thousands of others."""
        store = Store()
        woken: list[bool] = []

        class Counted(threading.Condition):
            def notify_all(self) -> None:
                woken.append(True)
                super().notify_all()

        store._changed = Counted()
        waiting = threading.Thread(target=store.get, args=("b",), daemon=True)
        waiting.start()
        while not store._wanted:
            time.sleep(0.001)
        store.put("a", lease())
        assert woken == []
        store.put("b", cannot())
        waiting.join(LIMIT_S)

        assert woken == [True]
        assert not waiting.is_alive()

    def test_closing_ends_the_waiting(self) -> None:
        """What does not come any more is told, not waited for."""
        store = Store()
        ended: list[bool] = []

        def wait() -> None:
            with pytest.raises(NotMeasuredError):
                store.get("b")
            ended.append(True)

        waiting = threading.Thread(target=wait, daemon=True)
        waiting.start()
        store.put("a", lease())
        store.close()
        waiting.join(LIMIT_S)

        assert ended == [True]
        assert store.get("a") == lease()

    def test_an_obstacle_answers_everything(self) -> None:
        """Without a vantage every case says why."""
        store = Store(cannot("off-link"))
        store.put("a", lease())

        assert store.get("a") == cannot("off-link")

    def test_a_vantage_answers_nothing(self) -> None:
        """Only the obstacle does."""
        store = Store(VANTAGE)
        store.close()

        with pytest.raises(NotMeasuredError):
            store.get("a")

    def test_lists_in_order(self) -> None:
        """Two runs with the same observations write the same evidence."""
        store = Store()
        for key in "bac":
            store.put(key, cannot())

        assert list(store.all()) == ["a", "b", "c"]


class TestReplay:
    """Saved observations in the place of measurements."""

    def test_gives_what_was_saved(self) -> None:
        """Judging again must see what was seen."""
        evidence = saved()
        replay = Replay(evidence)

        assert replay.saved() is evidence
        assert replay.get("dhcp") == observations()["dhcp"]

    def test_does_not_wait(self) -> None:
        """What is not saved will not come."""
        with pytest.raises(NotMeasuredError):
            Replay(saved()).get("dns/elsewhere")

    def test_keeps_the_obstacle(self) -> None:
        """A run without a vantage is judged again as one."""
        replay = Replay(saved(vantage=cannot("off-link")))

        assert replay.get("dhcp") == cannot("off-link")


class TestSpool:
    """The folder between the controller and its workers."""

    @pytest.fixture
    def ends(self, tmp_path: Path) -> tuple[Spool, Spool]:
        """One folder seen by a controller and by a worker."""
        return Spool(tmp_path), Spool(tmp_path)

    def test_hands_over_every_kind(self, ends: tuple[Spool, Spool]) -> None:
        """What a worker judges is what the controller measured."""
        controller, worker = ends
        for key, observation in observations().items():
            controller.put(key, observation)

        assert {key: worker.get(key) for key in observations()} == observations()

    def test_hands_over_saved_evidence(self, ends: tuple[Spool, Spool]) -> None:
        """All of it at once, and an impossible vantage in the place of everything."""
        controller, worker = ends
        controller.put_all(saved(vantage=cannot("off-link")))

        assert worker.get("vantage") == cannot("off-link")
        assert worker.get("dhcp") == cannot("off-link")

    def test_waits_for_what_comes(
        self, ends: tuple[Spool, Spool], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A worker may come first; it looks again after a while."""
        controller, worker = ends
        monkeypatch.setattr(time, "sleep", lambda _: controller.put("a", lease()))
        assert worker.get("a") == lease()

        monkeypatch.setattr(time, "sleep", lambda _: controller.put("b", cannot()))

        assert worker.get("b") == cannot()

    def test_closing_ends_the_waiting(self, ends: tuple[Spool, Spool]) -> None:
        """A worker must not wait for what nobody measures, and keeps what was measured."""
        controller, worker = ends
        controller.put("a", lease())
        controller.close()

        assert worker.get("a") == lease()
        with pytest.raises(NotMeasuredError, match="no observation of b"):
            worker.get("b")

    def test_carries_what_is_needed(self, ends: tuple[Spool, Spool]) -> None:
        """Only a worker knows which cases were collected."""
        controller, worker = ends

        needs = owed(catalogues.load(), SITE)

        assert controller.asked() is None
        worker.ask(needs)
        assert controller.asked() == needs
        worker.ask(())
        assert controller.asked() == ()

    def test_reads_nothing_half_written(
        self, ends: tuple[Spool, Spool], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Readers look at any moment, and go on where a line has found its end."""
        controller, worker = ends
        controller.put("a", lease())
        (file,) = controller.folder.iterdir()
        controller.put("b", cannot())
        whole = file.read_bytes()
        file.write_bytes(whole[:-9])
        monkeypatch.setattr(time, "sleep", lambda _: file.write_bytes(whole))

        assert worker.get("a") == lease()
        assert worker.get("b") == cannot()
        assert worker._read == len(whole)

    def test_is_private_and_goes_away(self) -> None:
        """Observations of a customer's network are nobody else's business."""
        spool = Spool.make()
        spool.put("../../etc/passwd", lease())
        spool.close()

        assert spool.folder.stat().st_mode & 0o077 == 0
        spool.remove()
        assert not spool.folder.exists()
