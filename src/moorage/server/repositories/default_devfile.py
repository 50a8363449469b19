"""The devfile of a repository that has none: the administrator's, or one for the language that its
files show, or one that suits anything."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from moorage.contract.images import parse_image
from moorage.devfile import Devfile, DevfileError, dump, parse, to_yaml
from moorage.devfile.attributes import INJECT_EDITOR
from moorage.kernel.errors import Misconfigured
from moorage.server.repositories.commits import Commit, FileTooLargeError, NotTextError
from moorage.translation.repository import OTHER, READ, Guess, first_devfile, guess

_MOST_READ = 12
"""Files of a repository that are read to find its port: each is a request to its host."""


@dataclass(frozen=True)
class DefaultDevfile:
    text: str = ""
    """The administrator's; "": each repository's own files decide."""
    image: str = ""
    """Of the container that people work in by the administrator's; "": not known."""

    async def of(self, commit: Commit) -> tuple[str, str]:
        """The text, and why it was taken, as a sentence. Raises `GitFailed`."""
        if self.text:
            return self.text, "The repository has no devfile: the administrator's is taken."
        found = guess(await _files(commit, commit.folder))
        if commit.folder and not found.why:
            found = guess(await _files(commit, ""))
        return _written(found), " ".join(
            (f"The repository has no devfile: {_reason(found)}.", *found.notes)
        )

    def of_nothing(self) -> tuple[str, str]:
        """As `of`, for a repository without a commit."""
        if self.text:
            return self.text, "The repository is empty: the administrator's devfile is taken."
        return _written(guess({})), f"The repository is empty: the image {OTHER.image} is taken."


def load_default(setting: str) -> DefaultDevfile:
    """`setting`: a file's path, or, where it has several lines, the devfile itself. Raises
    `Misconfigured`."""
    if not setting:
        return DefaultDevfile()
    try:
        text = setting if "\n" in setting.strip() else Path(setting).read_text(encoding="utf-8")
        image = _image(parse(text))
    except (OSError, UnicodeDecodeError, DevfileError) as error:
        raise Misconfigured(
            f"The default devfile cannot be used: {error}.",
            code="settings-invalid",
            hint="default_devfile under [server] is the path of a devfile, or the devfile itself.",
        ) from error
    return DefaultDevfile(text, image)


def _image(devfile: Devfile) -> str:
    found = [*devfile.containers()]
    marked = [pair for pair in found if pair[0].attributes.get(INJECT_EDITOR) is True]
    image = next((container.image or "" for _, container in (*marked, *found)), "")
    return image if parse_image(image) is not None else ""


async def _files(commit: Commit, folder: str) -> dict[str, str]:
    """Names in a folder, with the texts of those that tell something."""
    names = await commit.names(folder)
    told = [name for name in READ if name in names][:_MOST_READ]
    return dict.fromkeys(names, "") | {
        name: await _text(commit, f"{folder}/{name}" if folder else name) for name in told
    }


async def _text(commit: Commit, path: str) -> str:
    try:
        file = await commit.file(path)
    except (FileTooLargeError, NotTextError):
        return ""
    return "" if file is None else file.text


def _written(found: Guess) -> str:
    tree = first_devfile("workspace", found.language, image=found.image, port=found.port)
    return dump(parse(to_yaml(tree)))


def _reason(found: Guess) -> str:
    image = f"the image {found.image}" + (f" of {found.image_from}" if found.image_from else "")
    if not found.why:
        return f"{image} is taken"
    return f"{found.why} says that it is {found.language.name}, and {image} is taken"
