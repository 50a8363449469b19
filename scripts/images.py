"""Makes sure that Moorage's container images are on this machine. Standard library only: it runs
before the virtual environment is there.

An image's tag is a hash of its recipe (`deploy/images/<name>`, and what it copies), so that it
costs nothing to know whether the right one is there. Where from, in this order: the engine itself;
a tar of an earlier build in the cache; built from the recipe. The recipe starts from Debian, which
is pulled where a registry can be reached, by the digest that the recipe has, and made by mmdebstrap
where not. A setting names an image of your own instead.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DEBIAN_SUITE = "bookworm"
DEBIAN_LOCAL = "moorage/debian:12-slim"
HUB = "docker.io/library"
PROBE_SECONDS = 4
PULL_SECONDS = 300
CA_BUNDLE = "ca-bundle.crt"
"""Name of this machine's CA bundle beside the recipe, for the time of a build; never part of an
image or of the hash."""


@dataclass(frozen=True)
class Recipe:
    """How an image comes about."""

    name: str
    """What people call it on the command line."""
    folder: Path
    repository: str
    setting: str
    """Environment variable that names an image to use in place of a built one."""
    target: str = ""
    """The Dockerfile's stage; "": the last one."""
    sources: tuple[str, ...] = ()
    """What lies beside the recipe's folder in the build's context: files and folders, from the root
    of the repository."""
    release: str = ""
    """Moorage's own version, where the image holds Moorage."""

    @property
    def version(self) -> str:
        """Hash of all that decides what is in the image: names, modes and contents of the recipe's
        files, and the architecture."""
        digest = hashlib.sha256(f"{DEBIAN_SUITE} {platform.machine()}\n".encode())
        for name, path in sorted(self.files().items()):
            mode = "x" if os.access(path, os.X_OK) else "-"
            digest.update(
                f"{name} {mode} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode()
            )
        return digest.hexdigest()[:12]

    def files(self) -> dict[str, Path]:
        """All files of the build's context, by their names in it."""
        places = [(self.folder, self.folder), *((ROOT / name, ROOT) for name in self.sources)]
        return {
            str(path.relative_to(root)): path
            for place, root in places
            for path in (place.rglob("*") if place.is_dir() else [place])
            if path.is_file() and path.suffix != ".pyc"
        }

    @property
    def debian(self) -> str:
        """The Debian that the recipe starts from, as a registry has it: never by a tag alone, which
        may be another image tomorrow. Raises `ImageError`."""
        text = (self.folder / "Dockerfile").read_text()
        found = re.search(r"^ARG DEBIAN=(debian:\S+@sha256:[0-9a-f]{64})$", text, re.MULTILINE)
        if found is None:
            raise ImageError(
                f"{self.folder}/Dockerfile does not say which Debian it starts from: it needs a line "
                f"`ARG DEBIAN=debian:12-slim@sha256:…` (deploy/images/README.md says where the digest is from)."
            )
        return f"{HUB}/{found[1]}"

    @property
    def tag(self) -> str:
        """The image's full name."""
        return os.environ.get(self.setting) or f"{self.repository}:{self.version}"

    @property
    def cached(self) -> Path:
        """Where a tar of the image is kept, for machines whose engine starts empty."""
        return cache_folder() / f"{self.repository.replace('/', '-')}-{self.version}.tar"


MOORAGE_SOURCES = ("src", "pyproject.toml", "requirements.lock", "README.md", "LICENSE")


def moorage_version() -> str:
    """Of the source beside this script."""
    text = (ROOT / "src/moorage/__init__.py").read_text()
    return text.partition('__version__ = "')[2].partition('"')[0]


def moorage_recipe(part: str) -> Recipe:
    """The image of a process of Moorage's own."""
    return Recipe(
        part,
        ROOT / "deploy/images/moorage",
        f"moorage/{part}",
        f"MOORAGE_{part.upper()}_IMAGE",
        target=part,
        sources=MOORAGE_SOURCES,
        release=moorage_version(),
    )


RECIPES = {
    "base": Recipe(
        "base", ROOT / "deploy/images/workspace", "moorage/python-workspace", "MOORAGE_BASE_IMAGE"
    ),
    "tools": Recipe("tools", ROOT / "deploy/images/tools", "moorage/tools", "MOORAGE_TOOLS_IMAGE"),
    **{part: moorage_recipe(part) for part in ("server", "agent", "gateway")},
}


class ImageError(Exception):
    """Says what failed, and what to do about it."""


class Engine:
    """The container engine's command line: Docker's, else Podman's."""

    def __init__(self) -> None:
        self.command = find_engine()

    def has(self, image: str) -> bool:
        """Whether the engine has the image, under that very name."""
        return self._quiet("image", "inspect", "--format", "{{.Id}}", image)

    def tag(self, image: str, name: str) -> None:
        """Gives the image another name."""
        self._run("tag", image, name)

    def pull(self, image: str) -> bool:
        """Pulls the image where its registry answers; False where it cannot be had."""
        return registry_answers(image) and self._quiet(
            "pull", "--quiet", image, timeout=PULL_SECONDS
        )

    def load(self, tar: Path) -> bool:
        """Loads what `save` wrote; False when the file is of no use."""
        return self._quiet("load", "--quiet", "--input", str(tar))

    def size(self, image: str) -> int:
        """Bytes of all its layers."""
        asked = [self.command, "image", "inspect", "--format", "{{.Size}}", image]
        return int(subprocess.run(asked, capture_output=True, text=True, check=True).stdout)

    def save(self, image: str, tar: Path) -> None:
        """Writes the image to a file, all of it or none of it."""
        tar.parent.mkdir(parents=True, exist_ok=True)
        part = tar.with_suffix(f".{os.getpid()}.part")
        try:
            self._run("save", "--output", str(part), image)
            part.replace(tar)
        finally:
            part.unlink(missing_ok=True)

    def import_root(self, tar: Path, name: str) -> None:
        """Makes an image of a root file system's tar."""
        self._run("import", "--change", 'CMD ["bash"]', str(tar), name)

    def build(self, recipe: Recipe, debian: str) -> None:
        """Builds the recipe's image on the Debian image of that name."""
        version = f"{recipe.release}+{recipe.version}" if recipe.release else recipe.version
        arguments = {"DEBIAN": debian, "VERSION": version}
        for name in (
            "HTTP_PROXY",
            "HTTPS_PROXY",
            "NO_PROXY",
            "NPM_CONFIG_REGISTRY",
            "PIP_INDEX_URL",
        ):
            value = os.environ.get(name) or os.environ.get(name.lower())
            if value:
                arguments[name] = value
        with tempfile.TemporaryDirectory(prefix="moorage-image-") as scratch:
            context = Path(scratch) / "recipe"
            for name, path in recipe.files().items():
                (context / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, context / name)
            bundle = machine_ca_bundle()
            (context / CA_BUNDLE).write_bytes(bundle.read_bytes() if bundle else b"")
            flags = [
                flag
                for name, value in arguments.items()
                for flag in ("--build-arg", f"{name}={value}")
            ]
            target = ["--target", recipe.target] if recipe.target else []
            flags.append("--force-rm")  # without it, a step that fails leaves its container behind
            self._run("build", "--tag", recipe.tag, *target, *flags, str(context), show="tools: ")
        # Engines without BuildKit keep the earlier stages as images without a name.
        self._quiet("image", "prune", "--force", "--filter", "label=dev.moorage.build-stage")

    def _quiet(self, *arguments: str, timeout: float | None = None) -> bool:
        try:
            done = subprocess.run(
                [self.command, *arguments], capture_output=True, timeout=timeout, check=False
            )
        except subprocess.TimeoutExpired:
            return False
        return done.returncode == 0

    def _run(self, *arguments: str, show: str = "\0") -> None:
        """Runs to the end; shows what stands behind `show` in a line as it comes, and the last ones
        when it fails."""
        lines: list[str] = []
        with subprocess.Popen(
            [self.command, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                lines.append(line)
                if show in line:
                    say(line[line.index(show) :].rstrip())
        if process.returncode != 0:
            raise ImageError(
                f"`{self.command} {arguments[0]}` failed:\n{''.join(lines[-40:]).rstrip()}"
            )


def ensure(recipe: Recipe, engine: Engine, *, rebuild: bool = False) -> str:
    """Makes sure that the engine has the image; its tag. Raises `ImageError`."""
    if rebuild or not engine.has(recipe.tag):
        _obtain(recipe, engine, rebuild=rebuild)
        engine.tag(recipe.tag, f"{recipe.repository}:latest")
    elif not engine.has(f"{recipe.repository}:latest"):
        engine.tag(recipe.tag, f"{recipe.repository}:latest")
    return recipe.tag


def ensure_tar(recipe: Recipe, engine: Engine) -> Path:
    """Makes sure that the cache has the image's tar, for engines elsewhere (a cluster's nodes); its
    path. Raises `ImageError`."""
    ensure(recipe, engine)
    if not recipe.cached.exists():
        engine.save(recipe.tag, recipe.cached)
    return recipe.cached


def needs_mmdebstrap(recipe: Recipe, engine: Engine) -> bool:
    """Whether the image would have to be built, with no registry to start from."""
    if os.environ.get(recipe.setting) or engine.has(recipe.tag) or recipe.cached.exists():
        return False
    return not (
        engine.has(DEBIAN_LOCAL) or engine.has(recipe.debian) or registry_answers(recipe.debian)
    )


def _obtain(recipe: Recipe, engine: Engine, *, rebuild: bool) -> None:
    started = time.monotonic()
    if os.environ.get(recipe.setting):
        say(f"pulling {recipe.tag}")
        if not engine.pull(recipe.tag):
            raise ImageError(
                f"cannot pull {recipe.tag}, which {recipe.setting} names. Unset it to build the image here."
            )
        return
    if not rebuild and recipe.cached.exists():
        say(f"loading {recipe.tag} from {recipe.cached}")
        if engine.load(recipe.cached) and engine.has(recipe.tag):
            return
        say("that file is of no use: building anew")
    debian = _debian(recipe, engine)
    say(f"building {recipe.tag}")
    engine.build(recipe, debian)
    engine.save(recipe.tag, recipe.cached)
    for old in recipe.cached.parent.glob(f"{recipe.repository.replace('/', '-')}-*.tar"):
        if old != recipe.cached:
            old.unlink(missing_ok=True)
    say(f"built {recipe.tag} in {time.monotonic() - started:.0f} s")


def _debian(recipe: Recipe, engine: Engine) -> str:
    """The name of a Debian image that the engine has: one that this machine made of packages that
    Debian signed, or the registry's, which the engine verifies by its digest."""
    if engine.has(DEBIAN_LOCAL):
        return DEBIAN_LOCAL
    public = recipe.debian
    if engine.has(public) or engine.pull(public):
        return public
    reason = (
        f"{public} cannot be pulled" if registry_answers(public) else "no registry can be reached"
    )
    if shutil.which("mmdebstrap") is None:
        raise ImageError(
            f"{reason}, and mmdebstrap is not there to do without: `apt-get install mmdebstrap`."
        )
    say(f"{reason}: making Debian {DEBIAN_SUITE} with mmdebstrap")
    with tempfile.TemporaryDirectory(prefix="moorage-debian-") as scratch:
        tar = Path(scratch) / "root.tar"
        options = [
            "force-unsafe-io",
            *(f"path-exclude=/usr/share/{name}/*" for name in ("doc", "man", "locale")),
        ]
        flags = ["--quiet", "--variant=minbase", *(f"--dpkgopt={option}" for option in options)]
        done = subprocess.run(
            ["mmdebstrap", *flags, DEBIAN_SUITE, str(tar)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise ImageError(
                f"mmdebstrap failed: cannot reach Debian's packages?\n{done.stderr[-2000:].rstrip()}"
            )
        engine.import_root(tar, DEBIAN_LOCAL)
    return DEBIAN_LOCAL


def find_engine() -> str:
    """`docker` or `podman`, whichever answers. Raises `ImageError`."""
    for command in ("docker", "podman"):
        if shutil.which(command):
            done = subprocess.run([command, "version"], capture_output=True, check=False)
            if done.returncode == 0:
                return command
    raise ImageError("neither Docker nor Podman answers: run `scripts/install-system`.")


def registry_answers(image: str) -> bool:
    """Whether the image's registry answers within seconds, be it with a refusal."""
    first, slash, _ = image.partition("/")
    host = (
        first if slash and ("." in first or ":" in first or first == "localhost") else "docker.io"
    )
    host = "registry-1.docker.io" if host == "docker.io" else host
    scheme = "http" if host.split(":")[0] in {"localhost", "127.0.0.1"} else "https"
    try:
        urllib.request.urlopen(f"{scheme}://{host}/v2/", timeout=PROBE_SECONDS).close()
    except urllib.error.HTTPError:
        return True
    except (OSError, ValueError):
        return False
    return True


def machine_ca_bundle() -> Path | None:
    """The CA bundle that this machine's programs trust."""
    for name in (
        os.environ.get("SSL_CERT_FILE"),
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt",
    ):
        if name and Path(name).is_file():
            return Path(name)
    return None


def cache_folder() -> Path:
    """Where built images are kept, across check-outs of the repository."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "moorage"


def say(text: str) -> None:
    """Tells the person what goes on; standard output is for the result."""
    print(text, file=sys.stderr, flush=True)


def main(name: str) -> int:
    """The command line of `scripts/base-image` and `scripts/tools-image`."""
    recipe = RECIPES[name]
    parser = argparse.ArgumentParser(
        prog=f"scripts/{name}-image",
        description=f"Makes sure that {recipe.repository} is on this machine.",
    )
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--print-tag", action="store_true", help="only print the image's name")
    choice.add_argument(
        "--print-tar",
        action="store_true",
        help="also make sure of a tar of the image, and print its path",
    )
    choice.add_argument(
        "--needs-mmdebstrap",
        action="store_true",
        help="exit with 0 when the image can be had no other way",
    )
    choice.add_argument(
        "--rebuild", action="store_true", help="build it anew, with Debian's packages of today"
    )
    arguments = parser.parse_args()
    if arguments.print_tag:
        print(recipe.tag)
        return 0
    try:
        engine = Engine()
        if arguments.needs_mmdebstrap:
            return 0 if needs_mmdebstrap(recipe, engine) else 1
        print(
            ensure_tar(recipe, engine)
            if arguments.print_tar
            else ensure(recipe, engine, rebuild=arguments.rebuild)
        )
    except ImageError as error:
        say(f"scripts/{name}-image: {error}")
        return 1
    return 0
