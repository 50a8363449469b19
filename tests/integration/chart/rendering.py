"""The chart, as Helm renders it."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[3]
CHART = ROOT / "deploy/helm/moorage"
Object = dict[str, Any]
DOMAIN = {"ingress": {"host": {"workspaceDomain": "ws.test"}}}
POSTGRES = {"database": {"url": "postgresql://moorage:secret@db/moorage"}}


@functools.cache
def program(name: str) -> str:
    """Path of `helm` or `kubectl`."""
    script = [sys.executable, str(ROOT / "scripts/install-helm")]
    folder = subprocess.run(script, capture_output=True, text=True, check=True).stdout.strip()
    return str(Path(folder) / name)


def merged(*values: Object) -> Object:
    """One document of several, the later ones over the earlier."""
    whole: Object = {}
    for value in values:
        for key, item in value.items():
            both = isinstance(item, dict) and isinstance(whole.get(key), dict)
            whole[key] = merged(whole[key], item) if both else item
    return whole


def as_text(values: Object) -> str:
    """As a file of values: JSON is YAML, and leaves no doubt whether an image's tag of digits alone
    is a string."""
    return json.dumps(values)


def helm(
    *arguments: str, values: Object | None = None, **options: Any
) -> subprocess.CompletedProcess[str]:
    flags = ["-f", "-"] if values is not None else []
    return subprocess.run(
        [program("helm"), *arguments, *flags],
        input=as_text(values) if values is not None else "",
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "HELM_CACHE_HOME": "/nonexistent", "KUBECONFIG": "/nonexistent"},
        **options,
    )


class Rendered:
    """All objects of a release."""

    def __init__(
        self,
        *values: Object,
        flags: tuple[str, ...] = (),
        release: str = "rel",
        namespace: str = "places",
    ) -> None:
        done = helm(
            "template", release, str(CHART), "-n", namespace, *flags, values=merged(DOMAIN, *values)
        )
        assert done.returncode == 0, done.stderr
        self.objects: list[Object] = [item for item in yaml.safe_load_all(done.stdout) if item]
        keys = [
            (
                item["apiVersion"],
                item["kind"],
                item["metadata"].get("namespace"),
                item["metadata"]["name"],
            )
            for item in self.objects
        ]
        assert len(keys) == len(set(keys))

    def kinds(self) -> set[str]:
        return {item["kind"] for item in self.objects}

    def names(self, kind: str) -> list[str]:
        return sorted(item["metadata"]["name"] for item in self.objects if item["kind"] == kind)

    def get(self, kind: str, name: str) -> Object:
        return next(
            item
            for item in self.objects
            if (item["kind"], item["metadata"]["name"]) == (kind, f"rel-moorage-{name}")
        )

    def pod(self, name: str) -> Object:
        spec: Object = self.get("Deployment", name)["spec"]["template"]["spec"]
        return spec

    def settings(self, name: str) -> Object:
        """The process's table of settings.toml."""
        return self.settings_of(f"rel-moorage-{name}", name)

    def settings_of(self, config_map: str, name: str) -> Object:
        found = next(
            i
            for i in self.objects
            if (i["kind"], i["metadata"]["name"]) == ("ConfigMap", config_map)
        )
        table: Object = tomllib.loads(found["data"]["settings.toml"])[name]
        return table

    def mounted_secrets(self, name: str) -> dict[str, str]:
        """File in `secrets/` → the Secret that it is of."""
        volume = next(volume for volume in self.pod(name)["volumes"] if volume["name"] == "secrets")
        return {
            item["path"]: source["secret"]["name"]
            for source in volume["projected"]["sources"]
            for item in source["secret"]["items"]
        }


def refusal(*values: Object) -> str:
    """What Helm says when it refuses these values."""
    done = helm("template", "rel", str(CHART), values=merged(*values))
    assert done.returncode != 0, "Helm took these values"
    return done.stderr
