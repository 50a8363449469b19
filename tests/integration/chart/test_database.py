"""The database is not left behind: what the chart keeps, refuses and says."""

from __future__ import annotations

from pathlib import Path

import pytest

from integration.chart import api_server
from integration.chart.rendering import CHART, DOMAIN, POSTGRES, Object, Rendered, helm, merged

CLAIM = "rel-moorage-server"
KEEP = {"helm.sh/resource-policy": "keep"}
START_EMPTY: Object = {"database": {"startEmpty": True}}
OTHER_CLAIM: Object = {"server": {"persistence": {"existingClaim": "other"}}}
ELSEWHERE: Object = {
    "server": {"enabled": False},
    "config": {"token": "moor_agent_0123456789", "kasAddress": "https://m.test"},
    "auth": {"host": "https://m.test", "token": "moor_gateway_0123456789"},
}


def claim(release: str = "rel", **annotations: str) -> Object:
    """As this release has made it, unless another one did."""
    owner = {"meta.helm.sh/release-name": release, "meta.helm.sh/release-namespace": "places"}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": CLAIM,
            "namespace": "places",
            "labels": {"app.kubernetes.io/managed-by": "Helm"},
            "annotations": {**owner, **annotations},
        },
    }


def said(folder: Path, *values: Object, objects: tuple[Object, ...] = ()) -> str:
    """By Helm, which asks a cluster with these objects: its notes, or why it refuses."""
    with api_server.serving(folder, *objects) as kubeconfig:
        done = helm(
            "install", "rel", str(CHART), "-n", "places", "--dry-run=server", "--disable-openapi-validation",
            "--kubeconfig", str(kubeconfig), values=merged(DOMAIN, *values),
        )  # fmt: skip
    if done.returncode:
        return done.stderr
    assert "NOTES:" in done.stdout
    return done.stdout.partition("NOTES:")[2]


def test_helm_never_deletes_sqlite() -> None:
    """Neither when the claim is rendered no more, nor when the release is uninstalled."""
    made = Rendered().get("PersistentVolumeClaim", "server")
    assert made["metadata"]["annotations"] == KEEP
    for values in (POSTGRES, OTHER_CLAIM):
        assert "PersistentVolumeClaim" not in Rendered(values).kinds()


@pytest.mark.parametrize("values", [POSTGRES, {"database": {"existingSecret": "db"}}])
def test_postgresql_in_the_place_of_sqlite(tmp_path: Path, values: Object) -> None:
    """It would start empty: Helm refuses and says what is lost, until somebody says that it may
    be."""
    refused = said(tmp_path, values, objects=(claim(**KEEP),))
    for words in (
        f"has its database in SQLite, in the volume claim {CLAIM}",
        "Nothing is carried over",
        "Delete the workspaces first",
        "set database.startEmpty to true",
        f"kubectl -n places delete pvc {CLAIM}",
    ):
        assert words in refused
    notes = said(tmp_path, values, START_EMPTY, objects=(claim(**KEEP),))
    assert "nothing was carried over from it" in notes
    assert f"kubectl -n places delete pvc {CLAIM}" in notes


@pytest.mark.parametrize("objects", [(), (claim("another", **KEEP),)], ids=["none", "another's"])
def test_postgresql_from_the_beginning(tmp_path: Path, objects: tuple[Object, ...]) -> None:
    """Where this release has no SQLite, there is nothing to acknowledge, and nothing to be said of
    it."""
    assert "SQLite" not in said(tmp_path, POSTGRES, objects=objects)


@pytest.mark.parametrize("values", [merged(POSTGRES, START_EMPTY), OTHER_CLAIM, ELSEWHERE])
def test_a_claim_that_helm_would_delete(tmp_path: Path, values: Object) -> None:
    """One without the annotation is not deleted either: the message has the command that keeps
    it."""
    refused = said(tmp_path, values, objects=(claim(),))
    assert f"kubectl -n places annotate pvc {CLAIM} helm.sh/resource-policy=keep" in refused
    said_now = said(tmp_path, values, objects=(claim(**KEEP),))
    assert "annotate" not in said_now
    assert "Wait until everything is ready" in said_now


@pytest.mark.parametrize("annotations", [{}, KEEP], ids=["before it was kept", "kept"])
def test_sqlite_goes_on(tmp_path: Path, annotations: dict[str, str]) -> None:
    """A release with SQLite, and one of the same name that comes after it, take the claim that is
    there."""
    notes = said(tmp_path, objects=(claim(**annotations),))
    assert f"in the volume claim {CLAIM}" in notes


@pytest.mark.parametrize(
    ("values", "name"),
    [({}, CLAIM), ({"server": {"persistence": {"existingClaim": "mine"}}}, "mine")],
)
def test_the_notes_tell_of_the_database(tmp_path: Path, values: Object, name: str) -> None:
    """Where it is, that it remains, how it is deleted, and that PostgreSQL would begin with nothing
    of it."""
    notes = said(tmp_path, values)
    assert f"in the volume claim {name}. It remains after `helm uninstall`" in notes
    assert f"kubectl -n places delete pvc {name}" in notes
    assert "PostgreSQL starts empty, and nothing is carried over from SQLite" in notes
