"""The tools image with Java, Node, npm and pip, built when it is not there."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
from pathlib import Path

from integration.runtimes.worlds import docker
from locks import only_one

HERE = Path(__file__).parent
ROOT = HERE.parents[3]
sys.path.append(str(ROOT / "scripts"))

import images  # noqa: E402


def languages_image(tools: str) -> str:
    """Its name. `tools`: the tools image's, which it is made from."""
    with only_one("images"):
        return _made(tools)


def _made(tools: str) -> str:
    recipe = (HERE / "Dockerfile", ROOT / "deploy/images/tools/node.txt")
    digest = hashlib.sha256(
        b"".join(file.read_bytes() for file in recipe) + tools.encode()
    ).hexdigest()[:12]
    name = f"moorage/test-languages:{digest}"
    if docker("images", "-q", name):
        return name
    arguments = ["--build-arg", f"TOOLS={tools}"]
    if index := os.environ.get("PIP_INDEX_URL"):
        arguments += ["--build-arg", f"PIP_INDEX_URL={index}"]
    with tempfile.TemporaryDirectory(prefix="moorage-image-") as context:
        for file in recipe:
            shutil.copy(file, context)
        bundle = images.machine_ca_bundle()
        (Path(context) / images.CA_BUNDLE).write_bytes(bundle.read_bytes() if bundle else b"")
        docker("build", "-q", "-t", name, *arguments, context)
    return name
