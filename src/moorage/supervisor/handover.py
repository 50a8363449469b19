"""Gives a process that runs under an account of its own what it needs of root's: its table of the
settings, its secrets, the files that its settings name, its environment. Written anew at each of
its starts, into `run/<process>`, which nobody else can read.

A secret that a process only has to know again is given as a fingerprint.
"""

from __future__ import annotations

import json
import os
import stat
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from moorage.kernel.errors import Misconfigured
from moorage.kernel.home import FINGERPRINT, GIVEN, Home
from moorage.kernel.ids import fingerprint
from moorage.supervisor.accounts import Account, Accounts
from moorage.supervisor.processes import Given, Process

CERTIFICATES = "certificates"
"""Folder in `run` with what `tls_certificate` names: the gateway's and HAProxy's, by one path, as
they talk of it to each other."""


PASSED_ON = (
    "PATH",
    "LANG",
    "LC_*",
    "TZ",
    "LD_LIBRARY_PATH",
    "PYTHON*",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
)
"""Variables of root's environment that every process gets. Anything else there may be a secret of
somebody's."""


def give(
    home: Home, process: Process, given: Given, split: Accounts, environ: Mapping[str, str]
) -> dict[str, str]:
    """Writes it, and returns the process's environment. Only for root. Raises `Misconfigured`,
    `OSError`."""
    account = split.by_process[process.name]
    into = home.run / process.name
    passed = environment(process, given, environ)
    values = table_of(home, process.settings)
    files: dict[str, bytes] = {}
    for key, value in values.items():
        values[key] = _copied(value, account, into, files)
    for key, text in passed.items():
        if key.startswith("MOORAGE_") or key == "SSL_CERT_FILE":
            passed[key] = str(_copied(text, account, into, files))
    if given.certificates and (entries := certificates(home, environ)):
        passed["MOORAGE_GATEWAY_TLS_CERTIFICATE"] = ",".join(
            copy_certificates(home, split, entries)
        )
    files["settings.toml"] = f"[{process.settings}]\n{as_toml(values)}".encode()
    for secret in given.secrets:
        files[secret] = home.secret(secret).encode()
    for secret in given.fingerprints:
        files[f"{secret}{FINGERPRINT}"] = fingerprint(home.secret(secret)).encode()
    for file in given.files:
        if (content := own_file(home.path / file)) is not None:
            files[file] = content
    write_folder(into, files, account.gid)
    return passed | {GIVEN: str(into), "HOME": "/nonexistent"}


def own_file(path: Path) -> bytes | None:
    """The content of a file of root's in the state folder; None when there is none.

    The server may add
    to that folder: a link of its own, or a second name of a file that it may not read, would make
    this its reader. Raises `Misconfigured` for those."""
    try:
        seen = path.lstat()
        if seen.st_uid == 0 and stat.S_ISLNK(seen.st_mode):  # the operator's
            return path.read_bytes()
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _not_roots(path) from error
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if status.st_uid != 0 or status.st_nlink > 1 or not stat.S_ISREG(status.st_mode):
            raise _not_roots(path)
        return file.read()


def _not_roots(path: Path) -> Misconfigured:
    return Misconfigured(
        f"{path} is not a file of root's alone, and was perhaps put there by the server's account.",
        code="home-foreign",
        hint="Look at it, and remove it or make it root's.",
    )


def environment(process: Process, given: Given, environ: Mapping[str, str]) -> dict[str, str]:
    """The part of the environment that is this process's. Pure."""
    patterns = (*PASSED_ON, *given.variables, f"MOORAGE_{process.settings.upper()}_*")
    return {
        key: value
        for key, value in environ.items()
        if any(key.startswith(p[:-1]) if p.endswith("*") else key == p for p in patterns)
    }


def table_of(home: Home, table: str) -> dict[str, Any]:
    """One table of `settings.toml`. Raises `Misconfigured`."""
    try:
        return dict(tomllib.loads(home.settings.read_text()).get(table, {}))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise Misconfigured(
            f"The settings file {home.settings} cannot be read: {error}.",
            code="settings-unreadable",
        ) from error


def as_toml(values: Mapping[str, Any]) -> str:
    """Lines of a table. Pure."""
    return "".join(f"{json.dumps(key)} = {_value(value)}\n" for key, value in values.items())


def copy_certificates(home: Home, split: Accounts, entries: tuple[str, ...]) -> list[str]:
    """Copies what `tls_certificate` names to where HAProxy and the gateway may read it; returns the
    copies' paths. What is the same is left alone. Raises `OSError`."""
    into = home.run / CERTIFICATES
    files: dict[str, bytes] = {}
    paths = []
    for number, entry in enumerate(entries):
        source = Path(entry)
        paths.append(str(into / f"{number}-{source.name}"))
        for file in _files_of(source):
            name = (
                f"{number}-{source.name}/{file.name}"
                if source.is_dir()
                else f"{number}-{file.name}"
            )
            files[name] = file.read_bytes()
    write_folder(into, files, split.front)
    return paths


def certificates(home: Home, environ: Mapping[str, str]) -> tuple[str, ...]:
    """The entries of the setting `tls_certificate`. Raises `Misconfigured`."""
    text = (
        environ.get("MOORAGE_GATEWAY_TLS_CERTIFICATE")
        or table_of(home, "gateway").get("tls_certificate")
        or ""
    )
    return tuple(entry for entry in str(text).split(",") if entry)


def write_folder(folder: Path, files: Mapping[str, bytes], gid: int) -> None:
    """Makes the folder hold these files, for root and one group, and no others. `files`: by their
    path in it."""
    _make(folder, gid)
    for path in sorted(folder.rglob("*"), reverse=True):
        relative = str(path.relative_to(folder))
        if path.is_dir() and not path.is_symlink():
            if not any(name.startswith(f"{relative}/") for name in files):
                path.rmdir()
        elif relative not in files:
            path.unlink()
    for name, content in files.items():
        target = folder / name
        if target.parent != folder:
            _make(target.parent, gid)
        if _same(target, content, gid):
            continue
        new = target.with_name(f".{target.name}.{os.getpid()}.new")
        new.unlink(missing_ok=True)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            os.fchown(descriptor, 0, gid)
            os.fchmod(descriptor, 0o640)
        new.replace(target)


def reachable(path: Path, account: Account) -> bool:
    """Whether the account may read that file, or list that folder, as the modes say."""
    try:
        resolved = path.resolve(strict=True)
        folders = {*path.absolute().parents, *resolved.parents}
        return allowed(resolved.stat(), account, 0o4) and all(
            allowed(folder.stat(), account, 0o1) for folder in folders
        )
    except OSError:
        return False


def allowed(status: os.stat_result, account: Account, bit: int) -> bool:
    """Whether the account has a right (4: read, 1: search) by owner, group or others, in this order
    (path_resolution(7)). Pure."""
    if status.st_uid == account.uid:
        return bool(status.st_mode & (bit << 6))
    if status.st_gid in (account.gid, *account.groups):
        return bool(status.st_mode & (bit << 3))
    return bool(status.st_mode & bit)


def _copied(value: Any, account: Account, into: Path, files: dict[str, bytes]) -> Any:
    """A path of a file that the account may not read becomes that of a copy, which is added to
    `files`."""
    if not isinstance(value, str) or not value.startswith("/"):
        return value
    path = Path(value)
    try:
        if not path.is_file():
            return value
        content, changed = path.read_bytes(), False
        if path.suffix == ".toml":
            content, changed = _with_copies(content, account, into, files)
        if not changed and reachable(path, account):
            return value
    except OSError:  # what is wrong with it, the process says
        return value
    name = f"{len(files)}-{path.name}"
    files[name] = content
    return str(into / name)


def _with_copies(
    content: bytes, account: Account, into: Path, files: dict[str, bytes]
) -> tuple[bytes, bool]:
    """A table of tables, as the files of Git hosts are, in which paths of files that the account
    may not read (keys) are those of copies; and whether there is any."""
    try:
        document = tomllib.loads(content.decode())
    except ValueError:  # what is wrong with it, the process says
        return content, False
    copied = {
        name: {key: _copied(value, account, into, files) for key, value in table.items()}
        if isinstance(table, dict)
        else table
        for name, table in document.items()
    }
    return (as_toml(copied).encode(), True) if copied != document else (content, False)


def _files_of(source: Path) -> Iterator[Path]:
    """The files that an entry of `tls_certificate` consists of."""
    if source.is_dir():
        yield from (
            file
            for file in source.iterdir()
            if file.is_file() and file.suffix in (".pem", ".crt", ".key")
        )
        return
    yield source
    key = source.with_suffix(".key")
    if source.suffix == ".crt" and key.is_file():
        yield key


def _make(folder: Path, gid: int) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
    os.chown(folder, 0, gid)
    folder.chmod(0o750)


def _same(target: Path, content: bytes, gid: int) -> bool:
    try:
        status = target.lstat()
        return (
            stat.S_ISREG(status.st_mode)
            and (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (0, gid, 0o640)
            and target.read_bytes() == content
        )
    except OSError:
        return False


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return (
            "{"
            + ", ".join(f"{json.dumps(key)} = {_value(item)}" for key, item in value.items())
            + "}"
        )
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return json.dumps(value) if isinstance(value, bool | int) else str(value)
