"""The volume claim of SQLite, whatever becomes of its release. Without a server: the claim is
Helm's doing alone."""

from __future__ import annotations

import pytest

from cluster.clusters import Cluster
from cluster.release import NAME, Object, Release

SQLITE: Object = {"database": {"url": ""}}
OTHER_CLAIM: Object = {**SQLITE, "server": {"persistence": {"existingClaim": "other"}}}
START_EMPTY: Object = {"database": {"startEmpty": True}}


def test_sqlite_is_never_left_behind(cluster: Cluster, own_images: dict[str, str]) -> None:
    """PostgreSQL does not take its place unnoticed; the claim outlives other values and the
    release, and the next release of the name has it."""
    nothing_runs: Object = {
        "server": {"replicas": 0},
        "gateway": {"enabled": False},
        "agent": {"enabled": False},
    }
    release = Release(
        cluster,
        own_images,
        "postgresql://db.test/moorage",
        namespace="moorage-sqlite",
        values=nothing_runs,
    )
    before = release.everything()

    def claim() -> str:
        return str(release.get("persistentvolumeclaims", f"{NAME}-server")["metadata"]["uid"])

    try:
        release.install(SQLITE, wait=False)
        first = claim()
        with pytest.raises(AssertionError, match="Nothing is carried over"):
            release.install(wait=False)
        for values in (OTHER_CLAIM, START_EMPTY, SQLITE):
            release.install(values, wait=False)
            assert claim() == first
        release.helm("uninstall", NAME, "--wait")
        assert claim() == first
        release.install(SQLITE, wait=False)
        assert claim() == first
        release.uninstall()
        release.expect_nothing_beyond(before)
    finally:
        release.uninstall()
        release.remove(release.everything() - before)
