"""A first devfile for a repository that has none: what language it is written in, which port it
listens on.

Pure: it looks at the names and texts of files that are passed in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from moorage.contract import images
from moorage.devfile.attributes import INJECT_EDITOR


@dataclass(frozen=True, slots=True)
class Language:
    name: str
    marks: tuple[str, ...]
    """Names of files at the repository's top that give it away; `*.x` any of that ending."""
    image: str
    component: str
    stack: str
    """The registry's id for it."""
    ports: tuple[tuple[str, int], ...] = ()
    """A word in its files, and the port that goes with it."""
    kinds: str = ""
    """Regular expression for the names of images to work with it in."""

    def is_kind(self, image: str) -> bool:
        name = image.rpartition("/")[2].partition("@")[0].partition(":")[0]
        return bool(self.kinds) and re.search(self.kinds, name) is not None


LANGUAGES = (
    Language(
        "Python",
        ("pyproject.toml", "requirements.txt", "setup.py", "Pipfile"),
        "docker.io/library/python:3.13",
        "py",
        "python",
        (
            ("django", 8000),
            ("fastapi", 8000),
            ("uvicorn", 8000),
            ("flask", 5000),
            ("streamlit", 8501),
        ),
        "python|conda|jupyter",
    ),
    Language(
        "JavaScript",
        ("package.json",),
        "docker.io/library/node:24",
        "node",
        "nodejs",
        (
            ("vite", 5173),
            ("@angular/core", 4200),
            ("next", 3000),
            ("express", 3000),
            ("react-scripts", 3000),
        ),
        "node|bun",
    ),
    Language("Go", ("go.mod",), "docker.io/library/golang:1.25", "go", "go", (), "^go"),
    Language(
        "Java",
        ("pom.xml", "build.gradle", "build.gradle.kts"),
        "docker.io/library/maven:3-eclipse-temurin-21",
        "java",
        "java-maven",
        (("spring-boot", 8080), ("quarkus", 8080)),
        "maven|gradle|jdk|java|temurin|corretto",
    ),
    Language("Rust", ("Cargo.toml",), "docker.io/library/rust:1", "rust", "rust", (), "rust"),
    Language(
        "Ruby",
        ("Gemfile",),
        "docker.io/library/ruby:3.4",
        "ruby",
        "ruby",
        (("rails", 3000), ("sinatra", 4567)),
        "ruby|rails",
    ),
    Language(
        "PHP",
        ("composer.json",),
        "docker.io/library/php:8.4-cli",
        "php",
        "php-laravel",
        (("laravel/framework", 8000),),
        "php|composer",
    ),
    Language(
        "C#",
        ("*.csproj", "*.sln"),
        "mcr.microsoft.com/dotnet/sdk:9.0",
        "dotnet",
        "dotnet80",
        (("AspNetCore", 5000),),
        "^sdk$|dotnet",
    ),
)
OTHER = Language("", (), images.DEFAULT, "tools", "udi")

READ = (
    ".gitpod.yml",
    "Dockerfile",
    "Containerfile",
    ".env.example",
    "package.json",
    "pyproject.toml",
    "requirements.txt",
    "setup.py",
    "Pipfile",
    "pom.xml",
    "build.gradle",
    "build.gradle.kts",
    "Gemfile",
    "composer.json",
    "Procfile",
    "main.py",
    "app.py",
    "hello.py",
    "manage.py",
    "server.js",
    "index.js",
    "app.js",
    "main.go",
    "src/main.rs",
    "src/index.js",
    "src/server.ts",
    "src/main/resources/application.properties",
)
"""Files whose text tells something; of others the name is enough."""

GITPOD = ".gitpod.yml"
DOCKERFILES = ("Dockerfile", "Containerfile")
_FROM = re.compile(
    r"^[ \t]*FROM[ \t]+(?:--\S+[ \t]+)*(?P<image>[^\s#]+)", re.MULTILINE | re.IGNORECASE
)
_NO_BASE = re.compile(r"\$|^scratch$|distroless|busybox")
"""A variable, or an image in which nobody works."""
_GITPOD_IMAGE = re.compile(r"^image:[ \t]*[\"']?(?P<image>[a-z0-9][^\s\"'#{]*)", re.MULTILINE)
_GITPOD_PORT = re.compile(r"^[ \t]*-?[ \t]*port:[ \t]*([0-9]{2,5})\b", re.MULTILINE)
_EXPOSE = re.compile(r"^[ \t]*EXPOSE\s+([0-9]{2,5})", re.MULTILINE | re.IGNORECASE)
_PORT = re.compile(
    r"(?:\blisten\(\s*|ListenAndServe\(\s*\"[^\":]*:|\bport\s*[=:]\s*|--port[= ]|\bPORT\s*=\s*|server\.port\s*=\s*"
    r"|HTTPServer\(\s*\(\s*['\"][^'\"]*['\"]\s*,\s*)([0-9]{2,5})\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Guess:
    language: Language
    port: int | None
    why: str
    """The file that gave the language away; "" when none did."""
    image: str
    """The language's, or the one that a file there names."""
    image_from: str = ""
    """That file; "" when none does."""
    notes: tuple[str, ...] = ()
    """What else is there and says how to work on it, and what comes of that."""


def guess(files: Mapping[str, str]) -> Guess:
    """From file names (relative to the top) to their texts; "" for a text that was not read."""
    language, why = OTHER, ""
    for candidate in LANGUAGES:
        found = next(
            (name for mark in candidate.marks for name in sorted(files) if _matches(name, mark)), ""
        )
        if found:
            language, why = candidate, found
            break
    image, image_from = _named_image(files, language)
    return Guess(
        language,
        _port(files, language),
        why,
        image or language.image,
        image_from if image else "",
        tuple(_notes(files, image_from if image else "")),
    )


def first_devfile(name: str, language: Language, *, image: str, port: int | None) -> dict[str, Any]:
    """A devfile's tree that GitLab would accept, too."""
    container: dict[str, Any] = {"image": image, "memoryRequest": "1Gi", "memoryLimit": "4Gi"}
    if port is not None:
        container["endpoints"] = [{"name": f"http-{port}", "targetPort": port}]
    metadata = {"name": name, **({"language": language.name} if language.name else {})}
    component = {
        "name": language.component,
        "attributes": {INJECT_EDITOR: True},
        "container": container,
    }
    return {"schemaVersion": "2.2.0", "metadata": metadata, "components": [component]}


def _matches(name: str, mark: str) -> bool:
    return "/" not in name and (name == mark or (mark.startswith("*") and name.endswith(mark[1:])))


def _named_image(files: Mapping[str, str], language: Language) -> tuple[str, str]:
    """The image that a .gitpod.yml names, or that a Dockerfile is based on, if people can work in
    it, and the file; "" where there is none."""
    if found := _GITPOD_IMAGE.search(files.get(GITPOD, "")):
        return found["image"], GITPOD
    for name in DOCKERFILES:
        stages = [found["image"] for found in _FROM.finditer(files.get(name, ""))]
        bases = [image for image in stages if not _NO_BASE.search(image)]
        # The last stage is often a web server for what an earlier one has built.
        fitting = [image for image in bases if language.is_kind(image)]
        if fitting or (bases and language is OTHER and ("/" in bases[-1] or ":" in bases[-1])):
            return (fitting or bases[-1:])[0], name
    return "", ""


def _notes(files: Mapping[str, str], image_from: str) -> list[str]:
    """Sentences about files that other products start from."""
    notes = []
    for name in (name for name in (GITPOD, *DOCKERFILES) if name in files):
        taken = "its base image is taken" if name in DOCKERFILES else "its image is taken"
        notes.append(
            f"{name} is not built or run: {taken if name == image_from else 'no image is taken from it'}."
        )
    return notes


def _port(files: Mapping[str, str], language: Language) -> int | None:
    """The port that is exposed, else the one that is listened on, else the framework's own."""
    if found := _GITPOD_PORT.search(files.get(GITPOD, "")):
        return int(found[1])
    for pattern in (_EXPOSE, _PORT):
        for name in READ:
            found = pattern.search(files.get(name, ""))
            if found is not None and 1 <= int(found[1]) <= 65535:
                return int(found[1])
    texts = "\n".join(files.get(name, "") for name in READ).lower()
    return next((port for word, port in language.ports if word.lower() in texts), None)
