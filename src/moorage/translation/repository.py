"""A first devfile for a repository that has none: what language it is written in, which port it
listens on.

Pure: it looks at the names and texts of files that are passed in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

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
    ),
    Language("Go", ("go.mod",), "docker.io/library/golang:1.25", "go", "go"),
    Language(
        "Java",
        ("pom.xml", "build.gradle", "build.gradle.kts"),
        "docker.io/library/maven:3-eclipse-temurin-21",
        "java",
        "java-maven",
        (("spring-boot", 8080), ("quarkus", 8080)),
    ),
    Language("Rust", ("Cargo.toml",), "docker.io/library/rust:1", "rust", "rust"),
    Language(
        "Ruby",
        ("Gemfile",),
        "docker.io/library/ruby:3.4",
        "ruby",
        "ruby",
        (("rails", 3000), ("sinatra", 4567)),
    ),
    Language(
        "PHP",
        ("composer.json",),
        "docker.io/library/php:8.4-cli",
        "php",
        "php-laravel",
        (("laravel/framework", 8000),),
    ),
    Language(
        "C#",
        ("*.csproj", "*.sln"),
        "mcr.microsoft.com/dotnet/sdk:9.0",
        "dotnet",
        "dotnet80",
        (("AspNetCore", 5000),),
    ),
)
OTHER = Language("", (), "docker.io/library/debian:stable", "tools", "udi")

READ = (
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
    return Guess(language, _port(files, language), why)


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


def _port(files: Mapping[str, str], language: Language) -> int | None:
    """The port that is exposed, else the one that is listened on, else the framework's own."""
    for pattern in (_EXPOSE, _PORT):
        for name in READ:
            found = pattern.search(files.get(name, ""))
            if found is not None and 1 <= int(found[1]) <= 65535:
                return int(found[1])
    texts = "\n".join(files.get(name, "") for name in READ).lower()
    return next((port for word, port in language.ports if word.lower() in texts), None)
