"""What images are built from is pinned: a tag may be another image tomorrow."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PINNED = re.compile(r"\S+:\S+@sha256:[0-9a-f]{64}")
DOCKERFILES = sorted((ROOT / "deploy").rglob("*Dockerfile*")) + sorted(
    (ROOT / "examples").rglob("*Dockerfile*")
)


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("moorage_images", ROOT / "scripts/images.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


images = load()


def sources(text: str) -> list[str]:
    """What a Dockerfile's stages are built from, with its own defaults filled in; stages of its own
    left out."""
    defaults = dict(re.findall(r"^ARG (\w+)=(\S*)$", text, re.MULTILINE))
    stages = set(re.findall(r"^FROM .* AS (\S+)$", text, re.MULTILINE | re.IGNORECASE))
    named = re.findall(
        r"^(?:FROM|COPY --from=|RUN --mount=\S*from=)\s*(?:--\S+ )*([^\s,]+)",
        text,
        re.MULTILINE | re.IGNORECASE,
    )
    filled = [
        re.sub(r"\$\{?(\w+)\}?", lambda match: defaults.get(match[1], ""), name) for name in named
    ]
    return [name for name in filled if name not in stages and name != "scratch"]


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_image_is_built_from_a_tag_alone(path: Path) -> None:
    """Everything that a Dockerfile of ours takes from a registry has a digest."""
    found = sources(path.read_text())
    assert found
    for name in found:
        assert PINNED.fullmatch(name), f"{path.name}: {name!r} has no digest"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("FROM debian:12", ["debian:12"]),
        ("from debian:12", ["debian:12"]),
        ("ARG A=debian:12\nFROM ${A} AS x\nFROM x\nCOPY --from=x /a /b", ["debian:12"]),
        ("FROM --platform=linux/amd64 debian:12", ["debian:12"]),
        ("ARG A\nFROM $A", [""]),
        ("FROM a:1@sha256:0 AS x\nCOPY --from=busybox:1 /a /b", ["a:1@sha256:0", "busybox:1"]),
    ],
)
def test_what_is_seen_of_a_dockerfile(text: str, found: list[str]) -> None:
    """The check above sees images in every place where a Dockerfile names some."""
    assert sources(text) == found


def test_all_recipes_start_from_one_debian() -> None:
    """The scripts build from what the Dockerfiles say, which is the same for all."""
    names = {recipe.debian for recipe in images.RECIPES.values()}
    assert len(names) == 1
    assert PINNED.fullmatch(names.pop())


@pytest.mark.parametrize(
    "line", ["ARG DEBIAN=debian:12-slim", "ARG DEBIAN", "ARG DEBIAN=debian:12-slim@sha256:abc", ""]
)
def test_a_recipe_without_a_digest_is_refused(tmp_path: Path, line: str) -> None:
    """A recipe that names a Debian by its tag alone is not built from a registry, and it is said
    what to write."""
    (tmp_path / "Dockerfile").write_text(f"{line}\nFROM ${{DEBIAN}}\n")
    recipe = images.Recipe("x", tmp_path, "x", "MOORAGE_X_IMAGE")
    with pytest.raises(images.ImageError, match="sha256"):
        _ = recipe.debian


def test_the_chart_names_no_image_of_others() -> None:
    """By default, the chart runs Moorage's own images alone, which whoever installs it has built,
    and takes a digest for each."""
    values = yaml.safe_load((ROOT / "deploy/helm/moorage/values.yaml").read_text())
    for part in ("server", "gateway", "agent"):
        assert values[part]["image"] == {"repository": f"moorage/{part}", "tag": "", "digest": ""}
    templates = "".join(
        path.read_text() for path in (ROOT / "deploy/helm/moorage/templates").iterdir()
    )
    assert not re.findall(r"^\s*image: (?!\{\{)", templates, re.MULTILINE)
