from __future__ import annotations

from moorage.agent.runtimes.kubernetes.api.model import VolumeClaim
from moorage.agent.runtimes.kubernetes.api.resources import VOLUME_CLAIM, read
from moorage.agent.runtimes.kubernetes.apply import changes
from moorage.agent.runtimes.kubernetes.observed.observation import observed
from moorage.agent.runtimes.kubernetes.observed.store import hold
from moorage.agent.runtimes.kubernetes.wanted import records
from moorage.agent.runtimes.port import Identity, Known

NAME = "workspace-7-1-abc123"


def claim(name: str = NAME, uid: str = "uid") -> VolumeClaim:
    meta = {
        "name": name,
        "namespace": NAME,
        "uid": f"{uid}-{name}",
        "creationTimestamp": "2026-01-01T00:00:00Z",
    }
    return VOLUME_CLAIM.read({"kind": "PersistentVolumeClaim", "metadata": meta})


def test_neither_repair_nor_stop_takes_it_for_a_leftover() -> None:
    """It is pruned by no start, and is no sign of a stop that is not over; it counts as something
    that is there."""
    made = records.record(NAME, Known(generation=3), Identity("inst", 7), NAME)
    secret = read(made)
    assert changes.needed([], [hold(made)]).none
    assert records.is_kept(secret)
    other = read({**made, "metadata": {**made["metadata"], "labels": {}}})
    assert not records.is_kept(other)
    there = observed(NAME, [claim(), secret], None)
    assert (there.data, there.leftovers, there.recorded) == (True, False, True)
    assert there.objects == (f"claim {NAME}/{NAME}",)
    alone = observed(NAME, [secret], None)
    assert (alone.data, alone.present) == (False, True)


def test_data_of_the_same_name_has_another_mark() -> None:
    """A claim that was made anew is not what was found."""
    before = observed(NAME, [claim()], None)
    again = claim(uid="another")
    assert observed(NAME, [again], None).mark != before.mark
    assert before.known is None
