"""Reading a devfile from real repositories, and each way in which that fails."""

from __future__ import annotations

import asyncio
import os
import resource
import threading
import time
import zlib
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from integration.server.git_host import DEVFILE, PASSWORD, USER, GitHost, git
from integration.server.harness import LOOPBACK, DevfileReader, eventually, serving
from moorage.devfile import parse
from moorage.kernel.errors import InvalidInput, Misconfigured, MoorageError
from moorage.server.metrics import Metrics
from moorage.server.repositories.commits import Commit, File
from moorage.server.repositories.default_devfile import DefaultDevfile, load_default
from moorage.server.repositories.devfiles import candidates, read_devfile
from moorage.server.repositories.git import MEMORY, Blob
from moorage.server.repositories.line import Bounds, Line
from moorage.server.repositories.services import RepositoryReader
from moorage.server.settings import Credentials, Settings, load_credentials


def reader(
    credentials: Credentials | None = None, resolve: Any = None, **settings: Any
) -> DevfileReader:
    settings = {"repository_networks": LOOPBACK, **settings}
    made = RepositoryReader(
        Settings(**settings), credentials or Credentials({}), Metrics(), resolve=resolve
    )
    return DevfileReader(made)


def contents(folder: Path) -> list[Path]:
    return list(folder.iterdir())


def command_lines() -> list[bytes]:
    """Of all processes of this machine."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            found.append(file.read_bytes())
    return found


async def failure(reading: Any) -> MoorageError:
    with pytest.raises(MoorageError) as caught:
        await reading
    return caught.value


async def test_reads_devfile_commit_and_path(git_host: GitHost) -> None:
    """The devfile of the default branch, with the commit that it is of."""
    url = git_host.make("plain", {".devfile.yaml": DEVFILE})
    head = git_host.commit("plain", {"more": "x"})
    reading = await reader().read(url)
    assert (reading.url, reading.commit, reading.file.path, reading.file.text) == (
        url,
        head,
        ".devfile.yaml",
        DEVFILE,
    )


async def test_transfers_the_one_file_and_no_other(git_host: GitHost) -> None:
    """A repository far larger than the limit is read, as nothing but its devfile is transferred."""
    url = git_host.make("large", {".devfile.yaml": DEVFILE, "big/data": bytes(range(256)) * 4000})
    git_host.commit("large", {"more/random": os.urandom(3_000_000)})
    assert (await reader(repository_transfer=100_000).read(url)).file.text == DEVFILE


@pytest.mark.parametrize(
    ("files", "asked", "found"),
    [
        ({"devfile.yaml": DEVFILE, ".devfile.yaml": "x: 1\n"}, "", ".devfile.yaml"),
        ({"devfile.yml": DEVFILE}, "", "devfile.yml"),
        (
            {
                ".devcontainer/web/devcontainer.json": DEVFILE,
                ".devcontainer/api/devcontainer.json": "x",
                ".devcontainer/README.md": "x",
            },
            "",
            ".devcontainer/api/devcontainer.json",
        ),
        (
            {
                ".devcontainer/web/devcontainer.json": "x",
                ".devcontainer/README.md": "x",
                ".devcontainer.json": DEVFILE,
            },
            "",
            ".devcontainer.json",
        ),
        ({".devfile/python.yaml": DEVFILE, ".devfile/zope.yaml": "x"}, "", ".devfile/python.yaml"),
        (
            {"backend/api/my devfile.yaml": DEVFILE},
            "backend/api/my devfile.yaml",
            "backend/api/my devfile.yaml",
        ),
        ({".devfile.yaml": "-> real.yaml", "real.yaml": DEVFILE}, "", ".devfile.yaml"),
    ],
)
async def test_names_and_paths(
    git_host: GitHost, files: dict[str, str], asked: str, found: str
) -> None:
    """The usual names in their order, then the folder `.devfile`; or the path that was asked for;
    links inside are followed."""
    url = git_host.make(f"names-{zlib.crc32(repr(files).encode())}", files)
    assert (await reader().read(url, "", asked)).file.path == found


async def test_odd_names_beside_the_devfile(git_host: GitHost) -> None:
    """A file whose name goes on in another line is asked for as no second file, which would be read
    in the next one's place."""
    url = git_host.make(
        "odd-names", {"other.yaml": f"{DEVFILE}# other\n", ".devfile/b.yaml": DEVFILE}
    )
    git_host.commit("odd-names", {".devfile/a\nFETCH_HEAD:other.yaml": "x"})
    reading = await reader().read(url)
    assert (reading.file.path, reading.file.text) == (".devfile/b.yaml", DEVFILE)


async def test_what_is_too_large_is_no_answer_to_the_next_question(git_host: GitHost) -> None:
    """A commit with a message of megabytes is read over, and the devfile behind it is that of the
    repository."""
    url = git_host.make("wordy", {".devfile.yaml": DEVFILE})
    work = git_host.folder / "wordy.work"
    forged = f"{'0' * 40} tree 0\n\n{'0' * 40} blob 4\nnone\n"
    (work / "message").write_text(forged * 40_000)
    git(work, "commit", "-q", "--amend", "--cleanup=verbatim", "-F", "message")
    git(work, "push", "-q", "--force", str(git_host.folder / "wordy.git"), "main")
    reading = await reader().read(url)
    assert (reading.commit, reading.file.text) == (git(work, "rev-parse", "HEAD"), DEVFILE)


async def test_several_files_are_of_one_commit(git_host: GitHost) -> None:
    """What is read may depend on what stands in the first file; a push meanwhile changes nothing of
    it, and what is not there is left to whoever asked."""
    url = git_host.make(
        "piped",
        {".ci.yaml": "include: ci/jobs.yaml\n", "ci/jobs.yaml": "first\n", "ci/more.yaml": "m\n"},
    )
    head = git(git_host.folder / "piped.work", "rev-parse", "HEAD")

    async def choose(commit: Commit) -> list[File]:
        assert commit.oid == head
        pipeline = await commit.file(".ci.yaml")
        assert pipeline is not None
        git_host.commit("piped", {"ci/jobs.yaml": "second\n", "ci/late.yaml": "late\n"})
        included = await commit.file(pipeline.text.partition(": ")[2].strip())
        assert included is not None
        assert await commit.names("ci") == {"jobs.yaml", "more.yaml"}
        assert await commit.names("none") == frozenset()
        assert [await commit.file(path) for path in ("ci/late.yaml", "ci", "none/at.all")] == [
            None
        ] * 3
        return [pipeline, included]

    reading = await reader().repositories.read(url, "", choose)
    assert reading.commit == head
    assert [(file.path, file.text) for file in reading.files] == [
        (".ci.yaml", "include: ci/jobs.yaml\n"),
        ("ci/jobs.yaml", "first\n"),
    ]


async def test_what_is_chosen_may_fail_by_itself(git_host: GitHost) -> None:
    """An error of whoever chooses is told as it is, and nothing stays behind."""
    url = git_host.make("choosy", {"a": "b"})

    async def choose(_commit: Commit) -> list[File]:
        raise InvalidInput("The repository has no pipeline.", code="pipeline-not-found")

    error = await failure(reader().repositories.read(url, "main", choose))
    assert error.code == "pipeline-not-found"


@pytest.mark.parametrize("rest", [b"100644", b"100644 half", b"no zero", b" \0"])
async def test_what_a_host_calls_a_tree(rest: bytes) -> None:
    """Git lets through what is none, from a host that is none: the names before it count."""
    whole = b"100644 .devfile.yaml\0" + bytes(20)

    class Host:
        async def get(self, _name: str, *, most: int) -> Blob:
            return Blob("tree", "0" * 40, most, whole + rest)

    assert await candidates(Commit(Host(), "0" * 40, limit=0)) == [".devfile.yaml"]  # type: ignore[arg-type]


async def test_branch_tag_and_commit(git_host: GitHost) -> None:
    """A ref is a branch, a tag (also an annotated one), or a whole commit id."""
    url = git_host.make("refs", {".devfile.yaml": DEVFILE})
    first = git_host.commit("refs", {"x": "1"})
    git_host.tag("refs", "v1")
    git_host.commit("refs", {"x": "2"})
    other = git_host.commit(
        "refs", {".devfile.yaml": f"{DEVFILE}# other\n"}, branch="feature/other"
    )
    git = reader()
    assert (await git.read(url, "feature/other")).commit == other
    assert (await git.read(url, "refs/heads/feature/other")).file.text.endswith("# other\n")
    assert (await git.read(url, "v1")).commit == first
    assert (await git.read(url, first)).commit == first


async def test_a_branch_and_a_tag_of_one_name(git_host: GitHost) -> None:
    """The branch is taken, and both can be named in full; each with its own devfile."""
    url = git_host.make("both", {".devfile.yaml": DEVFILE})
    tagged = git_host.commit("both", {".devfile.yaml": f"{DEVFILE}# tag\n"})
    git(git_host.folder / "both.git", "update-ref", "refs/tags/both", tagged)
    branch = git_host.commit("both", {".devfile.yaml": f"{DEVFILE}# branch\n"}, branch="both")
    for asked, full, commit, end in (
        ("both", "refs/heads/both", branch, "# branch\n"),
        ("heads/both", "refs/heads/both", branch, "# branch\n"),
        ("refs/tags/both", "refs/tags/both", tagged, "# tag\n"),
        ("tags/both", "refs/tags/both", tagged, "# tag\n"),
    ):
        found = await reader().read(url, asked)
        assert (found.ref.full_name, found.ref.commit, found.commit) == (full, commit, commit)
        assert found.file.text.endswith(end)
        assert found.ref.shadowed_tag == (asked == "both")


async def test_merge_and_pull_requests(git_host: GitHost) -> None:
    """Their heads are refs like others, by their full names or without `refs/`; one that there is
    not is told as such."""
    url = git_host.make("changes", {".devfile.yaml": DEVFILE})
    head = git_host.commit("changes", {".devfile.yaml": f"{DEVFILE}# change\n"}, branch="own")
    bare = git_host.folder / "changes.git"
    for name in ("refs/pull/7/head", "refs/merge-requests/8/head", "refs/pull-requests/9/from"):
        git(bare, "update-ref", name, head)
        for asked in (name, name.removeprefix("refs/")):
            found = await reader().read(url, asked)
            assert (found.ref.full_name, found.commit) == (name, head)
    for asked in ("pull/1/head", "refs/pull/1/head", "refs/heads/nope"):
        error = await failure(reader().read(url, asked))
        assert (error.code, error.message) == (
            "ref-not-found",
            f"The repository has no branch, tag or commit {asked}.",
        )


async def test_the_default_branch_is_named(git_host: GitHost) -> None:
    """What nobody names is the host's default branch, by its name; or the commit that its HEAD
    stands at."""
    url = git_host.make("default", {".devfile.yaml": DEVFILE})
    found = await reader().read(url)
    assert (found.ref.full_name, found.ref.name) == ("refs/heads/main", "main")
    git(git_host.folder / "default.git", "update-ref", "--no-deref", "HEAD", found.commit)
    found = await reader().read(url)
    assert (found.ref.full_name, found.ref.name) == ("", found.commit)


@pytest.mark.parametrize(
    ("page", "ref", "devfile", "folder"),
    [
        ("tree/feature/x", "refs/heads/feature/x", ".devfile.yaml", ""),
        ("tree/feature/x/docs", "refs/heads/feature/x", ".devfile.yaml", "docs"),
        ("tree/feature/x/api", "refs/heads/feature/x", "api/devfile.yaml", "api"),
        ("-/blob/main/docs/a.md?ref_type=heads#L1", "refs/heads/main", ".devfile.yaml", "docs"),
        ("blob/main/api/other/devfile.yaml", "refs/heads/main", "api/other/devfile.yaml", "api/other"),
        ("src/tag/v1/docs", "refs/tags/v1", ".devfile.yaml", "docs"),
        ("-/merge_requests/7/diffs", "refs/merge-requests/7/head", ".devfile.yaml", ""),
        ("pull/7/files", "refs/pull/7/head", ".devfile.yaml", ""),
    ],
)  # fmt: skip
async def test_addresses_of_pages(
    git_host: GitHost, page: str, ref: str, devfile: str, folder: str
) -> None:
    """What a browser's address shows is what is read: its ref, and the devfile of its folder where
    it has one."""
    bare = git_host.folder / "team/pages.git"
    if not bare.exists():
        files = {".devfile.yaml": DEVFILE, "docs/a.md": "x", "api/devfile.yaml": DEVFILE}
        git_host.make("team/pages", {**files, "api/other/devfile.yaml": DEVFILE})
        head = git_host.commit("team/pages", {"x": "1"}, branch="feature/x")
        git_host.tag("team/pages", "v1")
        for name in ("refs/pull/7/head", "refs/merge-requests/7/head"):
            git(bare, "update-ref", name, head)
    url = git_host.url("team/pages").removesuffix(".git")
    found = await reader().read(f"{url}/{page}")
    assert (found.ref.full_name, found.file.path, found.folder) == (ref, devfile, folder)
    assert found.url == url


async def test_pages_that_are_not_there(git_host: GitHost) -> None:
    """A folder and a ref of an address that the repository has not, each by its name."""
    url = git_host.make("team/no-pages", {".devfile.yaml": DEVFILE})
    page = url.removesuffix(".git")
    error = await failure(reader().read(f"{page}/-/tree/main/none"))
    assert (error.code, error.message) == ("path-not-found", "The repository has no none at main.")
    error = await failure(reader().read(f"{page}/-/tree/nope/docs"))
    assert (error.code, error.field) == ("ref-not-found", "ref")  # type: ignore[attr-defined]
    git(git_host.folder / "team/no-pages.git", "tag", "of-a-file", "HEAD:.devfile.yaml")
    error = await failure(reader().read(url, "of-a-file"))
    assert error.message.startswith("of-a-file is no commit")


async def test_what_a_clone_leaves_out(git_host: GitHost) -> None:
    """Git LFS is found; submodules are cloned, and attributes of another kind are no LFS."""
    for number, (attributes, modules, missing) in enumerate(
        (
            ("*.psd filter=lfs diff=lfs merge=lfs -text\n", "", ("lfs",)),
            ("* text=auto\n# *.psd filter=lfs\n", '[submodule "a"]\n', ()),
            ("* text=auto\n", "", ()),
        )
    ):
        files = {".devfile.yaml": DEVFILE, ".gitattributes": attributes}
        url = git_host.make(
            f"parts-{number}", {**files, **({".gitmodules": modules} if modules else {})}
        )
        assert (await reader().read(url)).missing == missing


async def test_no_devfile(git_host: GitHost) -> None:
    """The error names what was looked for."""
    url = git_host.make("without", {"README.md": "x"})
    error = await failure(reader().read(url))
    assert (error.code, error.details, error.field) == ("devfile-not-found", {}, "devfile")  # type: ignore[attr-defined]
    assert error.message == (
        "The repository has no devfile. Looked for: .devfile.yaml, .devfile.yml, devfile.yaml, devfile.yml, .devfile/*.yaml,"
        " .devcontainer/devcontainer.json, .devcontainer.json, .devcontainer/*/devcontainer.json."
    )
    error = await failure(reader().read(url, "main", "deep/devfile.yaml"))
    assert error.message == "The repository has no file deep/devfile.yaml at main."


@pytest.mark.parametrize(
    ("files", "image", "port", "words"),
    [
        (
            {"requirements.txt": "flask\n", "Dockerfile": "FROM python:3.12\nEXPOSE 7000\n"},
            "python:3.12",
            7000,
            "The repository has no devfile: requirements.txt says that it is Python, and the image python:3.12 of"
            " Dockerfile is taken. Dockerfile is not built or run: its base image is taken.",
        ),
        (
            {"README.md": "x"},
            "docker.io/library/debian:stable",
            None,
            "The repository has no devfile: the image docker.io/library/debian:stable is taken.",
        ),
        (None, "docker.io/library/debian:stable", None, "The repository is empty: the image docker.io/library/debian:stable is taken."),
    ],
)  # fmt: skip
async def test_a_default_devfile(
    git_host: GitHost,
    files: dict[str, str | bytes] | None,
    image: str,
    port: int | None,
    words: str,
) -> None:
    """A repository without a devfile has one for what its files show, and says why; so has an empty
    one. The administrator's goes before both."""
    url = git_host.make(f"default-{zlib.crc32(words.encode())}", files)
    found = await read_devfile(reader().repositories, url, default=DefaultDevfile())
    container = parse(found.file.text).components[0].container
    assert container is not None
    assert container.image == image
    assert [endpoint.target_port for endpoint in container.endpoints] == ([port] if port else [])
    assert (found.file.path, found.chosen, bool(found.commit)) == ("", words, files is not None)
    found = await read_devfile(reader().repositories, url, default=load_default(DEVFILE))
    assert (found.file.text, "the administrator's" in found.chosen) == (DEVFILE, True)
    for ref, path in (("nope", ""), ("", "x.yaml")):
        reading = read_devfile(reader().repositories, url, ref, path, default=DefaultDevfile())
        assert (await failure(reading)).code in (
            ("repository-empty",) if files is None else ("ref-not-found", "devfile-not-found")
        )


async def test_the_language_of_a_folder(git_host: GitHost) -> None:
    """An address that names a folder has the environment of that folder, and of the whole where it
    shows nothing."""
    files = {"go.mod": "", "web/package.json": '{"dependencies": {"vite": "5"}}', "docs/a.md": "x"}
    url = git_host.make("team/mixed", dict(files)).removesuffix(".git")
    for folder, why in (("web", "package.json says"), ("docs", "go.mod says")):
        found = await read_devfile(
            reader().repositories, f"{url}/tree/main/{folder}", default=DefaultDevfile()
        )
        assert why in found.chosen


def test_a_default_devfile_that_is_none(tmp_path: Path) -> None:
    """An administrator hears of it when the server starts."""
    (tmp_path / "devfile.yaml").write_text("schemaVersion: [\n")
    for setting in (str(tmp_path / "none.yaml"), str(tmp_path / "devfile.yaml"), "a: 1\nb: 2\n"):
        with pytest.raises(Misconfigured, match="The default devfile cannot be used"):
            load_default(setting)


async def test_an_empty_repository(git_host: GitHost) -> None:
    """A repository of no commits says so, also when a ref is asked for."""
    url = git_host.make("empty")
    for ref in ("", "main"):
        error = await failure(reader().read(url, ref))
        assert (error.code, error.message) == (
            "repository-empty",
            "The repository is empty: it has no commit yet.",
        )


async def test_an_unknown_ref(git_host: GitHost, repository: str) -> None:
    """The error names the ref, and the branches that there are."""
    for ref in ("nope", "0" * 40):
        error = await failure(reader().read(repository, ref))
        assert (error.code, error.field) == ("ref-not-found", "ref")  # type: ignore[attr-defined]
        assert error.message == f"The repository has no branch, tag or commit {ref}."
        assert "main" in error.hint


async def test_a_private_repository_and_its_credential(git_host: GitHost, tmp_path: Path) -> None:
    """Without a credential it is private; with one for its host and port it is read, and no other
    host gets to see it. By http it is used when the file says so, and not for a repository that
    another one redirects to."""
    git_host.make("secret", {".devfile.yaml": DEVFILE})
    url = git_host.url("secret", "private/")
    error = await failure(reader().read(url))
    assert error.code == "repository-private"
    assert error.message == "127.0.0.1 does not show this repository without signing in."
    file = tmp_path / "credentials.toml"
    file.write_text(
        f'["127.0.0.1:{git_host.port}"]\nusername = "{USER}"\npassword = "{PASSWORD}"\n'
    )
    file.chmod(0o600)
    error = await failure(reader(load_credentials(str(file))).read(url))
    assert error.code == "repository-private"
    assert "https" in error.hint
    file.write_text(file.read_text().replace("127.0.0.1", "http://127.0.0.1"))
    opened = reader(load_credentials(str(file)))
    assert (await opened.read(url)).file.text == DEVFILE
    other = GitHost()
    try:
        other_url = other.make("spy", {".devfile.yaml": DEVFILE})
        await opened.read(other_url)
        assert set(other.authorizations) == {""}
        redirected = (
            f"http://127.0.0.1:{git_host.port}/elsewhere/http/127.0.0.1:{other.port}/spy.git"
        )
        assert (await opened.read(redirected)).url == other_url
        assert set(other.authorizations) == {""}
        lured = f"http://127.0.0.1:{other.port}/elsewhere/http/127.0.0.1:{git_host.port}/private/secret.git"
        git_host.authorizations.clear()
        assert (await failure(opened.read(lured))).code == "repository-private"
        assert set(git_host.authorizations) == {""}
    finally:
        other.stop()


async def test_an_unreachable_host(git_host: GitHost) -> None:
    """Nothing listens, or the name is not known: the error names the host and what it is that does
    not work."""
    error = await failure(reader().read("http://127.0.0.1:9/x.git"))
    assert error.code == "repository-unreachable"
    assert error.message.startswith("127.0.0.1 cannot be reached: ")
    error = await failure(reader().read("http://no-such-host.invalid/x.git"))
    assert error.message == (
        "Nothing is read from no-such-host.invalid: it is not known here, or is no public address."
    )


async def test_no_repository_there(git_host: GitHost) -> None:
    """A host that answers 404, or 500, gets an error in plain words."""
    error = await failure(reader().read(git_host.url("nope")))
    assert error.code == "repository-not-found"
    assert error.message == f"There is no Git repository at {git_host.url('nope')}"
    error = await failure(reader().read(git_host.url("x", "broken/")))
    assert error.code == "repository-unreadable"
    assert "The requested URL returned error: 500" in error.message


async def test_the_time_limit(git_host: GitHost) -> None:
    """A host that never answers costs the time limit, and no process stays behind."""
    started = time.monotonic()
    error = await failure(reader(repository_seconds=0.5).read(git_host.url("x", "slow/")))
    assert error.code == "repository-timeout"
    assert error.message == "127.0.0.1 did not answer within 0.5 seconds."
    assert time.monotonic() - started < 3
    assert not [line for line in command_lines() if b"/slow/x.git" in line]


async def test_too_much_to_transfer(git_host: GitHost) -> None:
    """A host that cannot filter sends everything; beyond the limit that ends with an error, not
    with a full disk."""
    data = os.urandom(400_000)
    url = git_host.make("unfiltered", {".devfile.yaml": DEVFILE, "data": data}, filters=False)
    assert (await reader().read(url)).file.text == DEVFILE
    error = await failure(reader(repository_transfer=100_000).read(url))
    assert (error.code, error.status) == ("repository-too-large", 413)
    assert (
        error.message
        == f"To read the devfile, more than 100000 bytes of {url} would have to be received."
    )


async def test_a_devfile_that_is_too_large_or_no_text(git_host: GitHost) -> None:
    """The file has a limit of its own, and must be UTF-8."""
    url = git_host.make("odd", {"large.yaml": "#" * 2001, "binary.yaml": b"\xff\xfe\x00"})
    error = await failure(reader(devfile_limit=2000).read(url, "", "large.yaml"))
    assert error.message == "The devfile large.yaml has 2001 bytes; at most 2000 are read."
    error = await failure(reader().read(url, "", "binary.yaml"))
    assert error.message == "The file binary.yaml is not text in UTF-8."


async def test_redirects_are_checked_like_the_first_url(git_host: GitHost) -> None:
    """A redirect on the same host is followed; one to another scheme, a denied host or an address
    inside is not."""
    moved = git_host.url("example", "moved/")
    assert (await reader().read(moved)).url == git_host.url("example")
    base = f"http://127.0.0.1:{git_host.port}/elsewhere"
    error = await failure(reader().read(f"{base}/file/etc/x.git"))
    assert error.code == "repository-unreadable"
    error = await failure(reader().read(f"{base}/http/169.254.169.254/x.git"))
    assert (error.code, error.status) == ("repository-host-denied", 403)
    error = await failure(reader().read(f"{base}/http/10.0.0.1/x.git"))
    assert (error.code, error.status) == ("repository-host-denied", 403)
    denying = reader(repository_hosts=("127.0.0.1",))
    error = await failure(denying.read(f"{base}/http/other.example.com/x.git"))
    assert error.message == "This installation reads no repositories from other.example.com."
    loop = f"http://127.0.0.1:{git_host.port}/moved/moved/moved/moved/example.git"
    assert (await failure(reader().read(loop))).code == "repository-unreadable"


async def test_git_connects_to_what_was_checked(git_host: GitHost) -> None:
    """The addresses that were looked up are the ones that Git uses: a name cannot lead elsewhere a
    moment later."""

    async def resolve(_host: str) -> list[str]:
        return ["127.0.0.1"]

    url = f"http://only-we-know.invalid:{git_host.port}/example.git"
    assert (await reader(resolve=resolve).read(url)).file.text == DEVFILE


async def test_a_redirect_is_asked_for_where_it_was_checked(git_host: GitHost) -> None:
    """A redirect, too, comes from the addresses that were looked up, by the host's own name; one
    that is dead is passed over."""

    async def resolve(_host: str) -> list[str]:
        return ["127.0.0.9", "127.0.0.1"]

    host = f"only-we-know.invalid:{git_host.port}"
    reading = await reader(resolve=resolve).read(f"http://{host}/moved/example.git")
    assert (reading.url, reading.file.text) == (f"http://{host}/example.git", DEVFILE)
    assert set(git_host.hosts[-3:]) == {host}


async def test_the_body_of_a_redirect_is_not_read(git_host: GitHost) -> None:
    """A host that redirects with a body without end, packed at that, costs a few buffers of the
    system and no memory."""
    git_host.sent = 0
    assert (await reader().read(git_host.url("example", "endless/"))).file.text == DEVFILE
    assert git_host.sent < 10_000_000


async def test_a_host_that_says_too_much_of_itself(git_host: GitHost) -> None:
    """Git keeps what a host says about a repository in its memory, of which it has so much and no
    more."""
    git_host.sent = 0
    error = await failure(reader().read(git_host.url("x", "flood/")))
    assert error.code == "repository-too-large"
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 < 1.2 * MEMORY


async def test_git_is_never_dumped(git_host: GitHost) -> None:
    """Whatever ends it, and whatever the server's own limit is: the credential in its environment
    goes into no core file."""
    before = resource.getrlimit(resource.RLIMIT_CORE)
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    except ValueError:
        pytest.skip("none of this account's processes is dumped")
    reading = asyncio.create_task(reader().read(git_host.url("dumped", "slow/")))
    try:
        found: list[Path] = []
        async with asyncio.timeout(10):
            while len(found) < 2:  # Git, and what speaks HTTP for it
                await asyncio.sleep(0.02)
                found = folders_of(b"slow/dumped")
        limits = [(process / "limits").read_text() for process in found]
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        resource.setrlimit(resource.RLIMIT_CORE, before)
    for lines in limits:
        assert next(line for line in lines.splitlines() if "core file" in line).split()[4:6] == [
            "0",
            "0",
        ]


def folders_of(mark: bytes) -> list[Path]:
    """In /proc, of the processes that have it on their command line."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if mark in file.read_bytes():
                found.append(file.parent)
    return found


@pytest.mark.parametrize(
    "place", ["//[/x.git", "http://[/x.git", "https://[x]/x.git", "//127.0.0.1:x/x.git"]
)
async def test_a_redirect_to_what_is_no_url(place: str) -> None:
    """It is the host that is at fault, and no error of ours."""
    other = GitHost()
    other.location = f"{place}/info/refs"
    try:
        error = await failure(reader().read(other.url("x", "odd/")))
    finally:
        other.stop()
    assert error.code in ("repository-unreachable", "repository-unreadable", "repository-invalid")


def processes_of(name: str) -> list[bytes]:
    """What Git has started to read it, which has the repository's URL among its arguments."""
    return [line for line in command_lines() if f"/{name}.git".encode() in line]


async def test_forty_at_once_are_two_at_a_time(git_host: GitHost, folder: Path) -> None:
    """Forty requests of one person's for a host that does not answer: Git runs twice at a time,
    those that wait are told what for when their time in line is over, and nothing runs on."""
    settings = Settings(repository_seconds=2.0)
    async with serving(folder, settings) as server:
        server.core.part(RepositoryReader)._line = Line(Bounds(4, 2, waiting_each=10, seconds=1.0))
        asked = {"repository": git_host.url("forty", "slow/")}
        tasks = [asyncio.create_task(server.post("/workspaces", asked)) for _ in range(40)]
        most = 0
        while not all(task.done() for task in tasks):
            most = max(
                most,
                sum(
                    line.split(b"\0")[0].endswith(b"git-remote-http")
                    for line in processes_of("slow/forty")
                ),
            )
            await asyncio.sleep(0.05)
        problems = [task.result().json() for task in tasks]
    codes = Counter(problem["code"] for problem in problems)
    assert codes == {"repository-timeout": 2, "reads-waiting": 38}
    assert most == 2
    assert Counter(problem["status"] for problem in problems)[429] == 38
    assert all(problem["hint"] for problem in problems)
    assert processes_of("slow/forty") == []


async def test_who_hangs_up_ends_git(git_host: GitHost, folder: Path) -> None:
    """Whoever asked closes the connection, or the server's request is cancelled: Git and all that
    it has started end at once, and no workspace is made."""
    async with serving(folder, Settings(repository_seconds=60.0)) as server:
        asked = {"repository": git_host.url("left", "slow/")}
        asking = asyncio.create_task(server.post("/workspaces", asked))
        await eventually(lambda: _true(processes_of("slow/left")))
        asking.cancel()
        await eventually(lambda: _true(not processes_of("slow/left")))
        await eventually(lambda: _true(not server.core.part(RepositoryReader)._line._running))
        assert (await server.get("/workspaces")).json() == {"items": []}


async def test_slow_names_leave_the_servers_threads_alone() -> None:
    """A thread that waits for the DNS cannot be ended: whoever hangs up keeps their turn until it
    has, so that nobody takes all of the threads, which the rest of the server's work needs."""
    answered = threading.Event()
    asked = 0

    async def resolve(_host: str) -> list[str]:
        nonlocal asked
        asked += 1
        await asyncio.to_thread(answered.wait)
        raise OSError

    slow = reader(resolve=resolve)
    reads = []
    for number in range(20):
        reads.append(asyncio.create_task(slow.read("http://slow.example.com/x", person="one")))
        await asyncio.sleep(0.01)
        for _ in range(1 + number % 2):  # who hangs up may have no time left, too
            reads[-1].cancel()
            await asyncio.sleep(0)
    try:
        async with asyncio.timeout(10):
            await asyncio.to_thread(time.monotonic)
        assert asked == 2
    finally:
        answered.set()
    ended = await asyncio.gather(*reads, return_exceptions=True)
    assert all(isinstance(end, asyncio.CancelledError) for end in ended)
    assert not slow.repositories._line._running


async def _true(value: Any) -> Any:
    return value


async def test_nothing_stays_behind(
    git_host: GitHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The temporary repository goes, whether reading succeeds or fails."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    await reader().read(git_host.url("example"))
    await failure(reader().read(git_host.url("nope")))
    assert contents(tmp_path) == []


OTHERS = {
    "secrets.yaml": "password: s3cret\ntokens: [s3cret]\n",
    "broken.yaml": "password: s3cret\ntokens: [s3cret\n",
    "duplicate.yaml": "s3cret: 1\ns3cret: 2\n",
    ".env": "PASSWORD=s3cret\n",
    "list.yaml": "- s3cret\n",
    "id_rsa": "-----BEGIN PRIVATE KEY-----\ns3cret\n",
    "README.md": "# About\n\n```yaml\nschemaVersion: 2.2.0\n```\ns3cret: [\n",
    "secret-object.yaml": "apiVersion: v1\nkind: Secret\nstringData: {password: s3cret}\n",
    "deep/devcontainer.json": '{"s3cret": "s3cret", "mounts": "s3cret"}',
    "wrong/devcontainer.json": '{"image": "i", "s3cret": }',
    "link.yaml": "-> secrets.yaml",
    "link/devcontainer.json": "-> ../.env",
    "link/devfile.yaml": "-> ../broken.yaml",
}


@pytest.mark.parametrize("path", OTHERS)
async def test_nothing_is_shown_of_a_file_that_is_no_devfile(
    git_host: GitHost, folder: Path, path: str
) -> None:
    """Of a private repository that the installation can read, no other file can be read through
    errors: neither a value, a key, a line nor its number is in the API's answer, on the page or in
    the log, also not by a link in the repository."""
    if not (git_host.folder / "others.git").exists():
        git_host.make("others", OTHERS)
    asked = {"repository": git_host.url("others"), "devfile": path}
    async with serving(folder, Settings()) as server:
        answer = await server.post("/workspaces", asked)
        problem = answer.json()
        assert (answer.status_code, problem["code"], problem["field"]) == (
            422,
            "devfile-invalid",
            "devfile",
        )
        (told,) = problem["problems"]
        if path != "wrong/devcontainer.json" and path != "link/devcontainer.json":
            assert (told["code"], told["message"]) == ("not-a-devfile", f"{path} is no devfile.")
            assert told["line"] == 0
        assert "s3cret" not in answer.text.lower()
        assert "password" not in answer.text.lower()
        cookie = await server.session("admin")
        headers = {"Origin": server.core.settings.origin, "Accept": "text/html"}
        async with server.client(None, cookies={"moorage": cookie}, headers=headers) as browser:
            page = await browser.post("/new", data=asked)
        assert page.status_code == 422
        assert "s3cret" not in page.text.lower()
        assert "BEGIN" not in page.text


@pytest.mark.parametrize("rest", ["marked: 1", "metadata: 'marked' x"])
async def test_the_lines_of_a_devfile_are_shown(git_host: GitHost, folder: Path, rest: str) -> None:
    """What is one, be it wrong or not even YAML, is shown to whoever wrote it."""
    url = git_host.make(f"wrong-{rest[:4]}", {".devfile.yaml": f"schemaVersion: 2.2.0\n{rest}\n"})
    async with serving(folder, Settings()) as server:
        cookie = await server.session("admin")
        headers = {"Origin": server.core.settings.origin, "Accept": "text/html"}
        async with server.client(None, cookies={"moorage": cookie}, headers=headers) as browser:
            page = await browser.post("/new", data={"repository": url})
        assert page.status_code == 422
        assert "marked" in page.text


async def test_bad_devfiles_through_the_api(git_host: GitHost, folder: Path) -> None:
    """Broken YAML and two editors come back with what, where and what to do; nothing is stored."""
    broken = git_host.make(
        "broken-yaml", {".devfile.yaml": "schemaVersion: 2.2.0\ncomponents: [\n"}
    )
    second = DEVFILE + DEVFILE.split("components:\n")[1].replace("name: py", "name: other").replace(
        "8080", "8081"
    )
    twice = git_host.make("two-editors", {".devfile.yaml": second.replace("http-python", "x", 1)})
    async with serving(folder, Settings()) as server:
        answer = await server.post("/workspaces", {"repository": broken})
        problem = answer.json()
        assert (answer.status_code, problem["code"], problem["field"]) == (
            422,
            "devfile-invalid",
            "devfile",
        )
        assert problem["problems"][0]["line"] in (2, 3)
        assert problem["problems"][0]["column"] > 0
        answer = await server.post("/workspaces", {"repository": twice})
        problem = answer.json()
        assert answer.status_code == 422
        assert [item["code"] for item in problem["problems"]] == ["several-main-containers"]
        assert problem["problems"][0]["line"] > 0
        assert (await server.get("/workspaces")).json() == {"items": []}


async def test_credentials_go_to_the_agent_and_nowhere_else(
    git_host: GitHost, folder: Path, tmp_path: Path
) -> None:
    """The clone's credential is added on the way to the agent, for workspaces that are to run;
    database, API and log have nothing of it."""
    from moorage.contract import agent as contract

    if not (git_host.folder / "sealed.git").exists():
        git_host.make("sealed", {".devfile.yaml": DEVFILE})
    file = tmp_path / "credentials.toml"
    file.write_text(
        f'["http://127.0.0.1:{git_host.port}"]\nusername = "{USER}"\npassword = "{PASSWORD}"\n'
    )
    file.chmod(0o600)
    async with (
        serving(folder, Settings(git_credentials=str(file))) as server,
        server.agent() as agent,
    ):
        answer = await server.post(
            "/workspaces", {"repository": git_host.url("sealed", "private/")}
        )
        assert answer.status_code == 201
        assert PASSWORD not in answer.text
        credential = (await agent.expect(contract.Change)).workspace.spec.projects[0].credential
        assert (credential.host, credential.username, credential.password) == (
            f"127.0.0.1:{git_host.port}",
            USER,
            PASSWORD,
        )
        assert PASSWORD not in repr(credential)
        for verb, opens in (("stop", False), ("start", True)):
            assert (
                await server.post(f"/workspaces/{answer.json()['name']}/{verb}")
            ).status_code == 202
            spec = (await agent.expect(contract.Change)).workspace.spec
            assert (spec.projects[0].credential is not None) is opens
    assert all(
        PASSWORD.encode() not in file.read_bytes() for file in contents(folder) if file.is_file()
    )
