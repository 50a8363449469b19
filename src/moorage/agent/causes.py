"""From an engine's errors, exit codes and log lines to causes in plain words. Pure.

Each function returns a `Verdict`: the cause, and whether it is final (nothing changes until somebody does something).
`Cause.since` is left to the caller, who has the clock.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit

from moorage.contract import Cause

DETAIL_LIMIT = 4000
"""Characters of an engine's or a program's own words that a cause carries: the last ones."""


class Verdict(NamedTuple):
    cause: Cause
    final: bool


def _cause(code: str, message: str, detail: str = "", hint: str = "") -> Cause:
    return Cause(code=code, message=message, detail=detail.strip()[-DETAIL_LIMIT:], hint=hint)


def _matches(text: str, *patterns: str) -> bool:
    return any(re.search(pattern, text, re.IGNORECASE) for pattern in patterns)


NO_SPACE = ("no space left on device", "enospc", "disk quota exceeded")


def no_space(where: str, detail: str) -> Verdict:
    return Verdict(
        _cause(
            "no-space",
            f"There is no space left {where}.",
            detail,
            "Make room on the machine that runs the workspaces (large or unused images, old workspaces), then start it again.",
        ),
        True,
    )


# ---------------------------------------------------------------------------------------------- engine
def engine_unreachable(host: str, detail: str) -> Verdict:
    hint = "Start the engine, or set docker_host under [agent]; the agent goes on trying."
    if _matches(detail, "permission denied"):
        hint = f"Give the agent's user access to {host} (for Docker: the group docker), or run the agent as root."
    return Verdict(
        _cause("engine-unreachable", f"No container engine answers at {host}.", detail, hint), False
    )


def engine_slow(host: str, doing: str, seconds: float) -> Verdict:
    return Verdict(
        _cause(
            "engine-slow",
            f"The container engine at {host} did not answer within {seconds:.0f} s while {doing}.",
            hint="The machine may be overloaded; the agent goes on trying.",
        ),
        False,
    )


def of_engine(doing: str, status: int, message: str) -> Verdict:
    """Of a request that the engine refused. `doing`: "starting container py"; `status`: HTTP's."""
    if _matches(message, *NO_SPACE):
        return no_space("for containers and volumes", message)
    if _matches(message, "exec format error"):
        return wrong_architecture("", "", message)
    if _matches(message, r"invalid mount config|invalid volume specification|mount path must be absolute"):
        return Verdict(
            _cause(
                "mount-invalid", "A volume mount of the devfile is not possible.", message, "Change its path."
            ),
            True,
        )
    if _matches(
        message, r"executable file not found|no such file or directory: unknown|stat .* no such file"
    ):
        return Verdict(
            _cause(
                "command-not-found",
                "A container's command does not exist in its image.",
                message,
                "Correct `command` in the devfile, or choose an image that has it.",
            ),
            True,
        )
    if _matches(message, "permission denied: unknown"):
        return Verdict(
            _cause(
                "command-not-executable",
                "A container's command may not be executed by user 5001.",
                message,
                "Make the program executable for everybody, or for group 0, in the image.",
            ),
            True,
        )
    final = status == 400 and not _matches(message, "is ambiguous")
    return Verdict(
        _cause(
            "engine-refused",
            f"The container engine refused {doing}.",
            message,
            "The engine's own words are below." if final else "The agent goes on trying.",
        ),
        final,
    )


def pool_exhausted(pool: str) -> Verdict:
    return Verdict(
        _cause(
            "network-pool-exhausted",
            f"All networks of {pool} are in use: no more workspaces can run here at a time.",
            hint="Stop a workspace, or give the agent a larger network_pool.",
        ),
        False,
    )


# ---------------------------------------------------------------------------------------------- images
def of_pull(image: str, status: int, message: str) -> Verdict:
    """Of a pull that failed: the registry's or the engine's answer."""
    if _matches(message, *NO_SPACE):
        return no_space(f"for the image {image}", message)
    if _matches(
        message, r"invalid reference format|invalid repository name|invalid tag|repository name must be"
    ):
        return Verdict(
            _cause(
                "image-name-invalid",
                f"{image!r} is not an image's name.",
                message,
                "Correct it in the devfile.",
            ),
            True,
        )
    if _matches(
        message, r"manifest unknown|not found: manifest|manifest for .* not found|name unknown|no such image"
    ):
        return Verdict(
            _cause(
                "image-not-found",
                f"The registry has no image {image}.",
                message,
                "Check the image's name and tag in the devfile.",
            ),
            True,
        )
    if _matches(message, r"no matching manifest", r"does not match the specified platform"):
        return wrong_architecture(image, "", message)
    if _matches(message, "toomanyrequests", "too many requests", "rate limit"):
        return Verdict(
            _cause(
                "registry-rate-limited",
                f"The registry refuses to hand out {image} for now: too many requests.",
                message,
                "Wait, or have the agent's engine sign in to the registry.",
            ),
            False,
        )
    if _matches(message, "x509", "certificate", "tls: ", "server gave http response to https client"):
        return Verdict(
            _cause(
                "registry-untrusted",
                f"The registry of {image} has a certificate that the engine does not trust.",
                message,
                "Make the engine trust the registry's CA (/etc/docker/certs.d/<registry>/ca.crt).",
            ),
            True,
        )
    # Registries answer "denied" for what does not exist, too: one cannot tell.
    if _matches(message, "unauthorized", "denied", "authentication required", "no basic auth", "forbidden"):
        return Verdict(
            _cause(
                "image-denied",
                f"The registry does not hand out {image}: it does not exist, or needs a sign-in.",
                message,
                "Check the image's name; for a private one, sign the agent's engine in to the registry.",
            ),
            True,
        )
    if status == 404:
        return of_pull(image, 0, f"manifest unknown: {message}")
    return Verdict(
        _cause(
            "registry-unreachable",
            f"The registry of {image} cannot be reached.",
            message,
            "Check the machine's network, DNS and proxy; or put the image on the engine beforehand.",
        ),
        False,
    )


def pull_timeout(image: str, seconds: float) -> Verdict:
    return Verdict(
        _cause(
            "image-pull-timeout",
            f"The image {image} was not there after {seconds:.0f} s.",
            hint="Pull it beforehand, use a smaller one, or raise pull_timeout under [agent].",
        ),
        True,
    )


def tools_image(image: str, cause: Cause) -> Verdict:
    """Of a pull of the tools image: the agent's installation is at fault, not the workspace."""
    return Verdict(
        _cause(
            "tools-image-missing",
            f"The tools image {image} is not on this engine and cannot be pulled.",
            cause.detail or cause.message,
            "Build it (scripts/tools-image), or set tools_image under [agent].",
        ),
        False,
    )


def wrong_architecture(image: str, engine: str, detail: str = "", has: str = "") -> Verdict:
    what = f"The image {image}" if image else "A container's image"
    machine = f"this machine ({engine})" if engine else "this machine"
    return Verdict(
        _cause(
            "wrong-architecture",
            f"{what} is made for another kind of processor{f' ({has})' if has else ''} than {machine} has.",
            detail,
            "Use an image that is built for this machine's architecture, or for several.",
        ),
        True,
    )


# ---------------------------------------------------------------------------------------------- containers
def of_exit(name: str, code: int | None, lines: str, *, oom: bool = False, error: str = "") -> Verdict:
    """Of a container that ended. `lines`: the last ones that it wrote; `error`: the engine's words, if it has any."""
    words = f"{error}\n{lines}"
    if _matches(words, *NO_SPACE):
        return no_space(f"for container {name}", words)
    if _matches(words, "exec format error"):
        return wrong_architecture("", "", words)
    if "moorage: no-glibc" in lines or _matches(lines, r"error relocating .*: symbol not found"):
        return Verdict(
            _cause(
                "image-without-glibc",
                "The editor cannot run in this image: it has no GNU C library (glibc); Alpine's images have none.",
                lines,
                "Use an image that is based on Debian, Ubuntu, Fedora or another distribution with glibc.",
            ),
            True,
        )
    if old := re.search(r"version `?(GLIBC(?:XX)?_[0-9.]+)'? not found", lines):
        return Verdict(
            _cause(
                "image-glibc-too-old",
                f"The editor cannot run in this image: its C library is older than {old[1].replace('_', ' ')}.",
                lines,
                "Use an image with a newer distribution.",
            ),
            True,
        )
    if oom:
        return Verdict(
            _cause(
                "out-of-memory",
                f"Container {name} was ended because it used more memory than its limit.",
                lines,
                "Raise memoryLimit in the devfile.",
            ),
            False,
        )
    if "moorage: editor-gave-up" in lines:
        return Verdict(
            _cause(
                "editor-crashed",
                f"The editor ended again and again, last with {_exit_words(code)}.",
                lines,
                "The last lines say why; a broken file in the home directory is a frequent reason.",
            ),
            True,
        )
    if code in (126, 127) or error:
        what = "could not be executed" if code == 126 else "was not found"
        return Verdict(
            _cause(
                "command-not-executable" if code == 126 else "command-not-found",
                f"Container {name} ended at once: its command {what} ({_exit_words(code)}).",
                words,
                "Correct `command` in the devfile, or choose an image that has it.",
            ),
            True,
        )
    return Verdict(
        _cause(
            "container-crashed",
            f"Container {name} ended with {_exit_words(code)}.",
            lines or error,
            "" if lines else "It wrote nothing before its end.",
        ),
        False,
    )


def crash_loop(cause: Cause, times: int) -> Verdict:
    """What is said once a container ended too often."""
    hint = cause.hint or "Correct what the last lines tell, then start the workspace again."
    return Verdict(
        Cause(
            code=cause.code,
            message=f"{cause.message} It was started again {times} times.",
            detail=cause.detail,
            hint=hint,
        ),
        True,
    )


def init_failed(name: str, code: int | None, lines: str) -> Verdict:
    return Verdict(
        _cause(
            "init-failed",
            f"The preStart step {name} failed with {_exit_words(code)}.",
            lines,
            "Correct the step's image or command in the devfile, then start the workspace again.",
        ),
        True,
    )


def init_timeout(name: str, seconds: float, lines: str) -> Verdict:
    return Verdict(
        _cause(
            "init-timeout",
            f"The preStart step {name} had not ended after {seconds:.0f} s.",
            lines,
            "A preStart step must end by itself.",
        ),
        True,
    )


def editor_not_answering(port: int, path: str, seconds: float, lines: str) -> Verdict:
    return Verdict(
        _cause(
            "editor-port-not-open",
            f"The editor did not answer on port {port} ({path}) within {seconds:.0f} s.",
            lines,
            "The last lines of the main container tell what it was doing; with little CPU, raise editor_timeout.",
        ),
        True,
    )


def _exit_words(code: int | None) -> str:
    if code is None:
        return "an unknown exit code"
    signals = {
        129: "SIGHUP",
        130: "SIGINT",
        132: "SIGILL",
        134: "SIGABRT",
        137: "SIGKILL",
        139: "SIGSEGV",
        143: "SIGTERM",
    }
    return f"exit code {code} ({signals[code]})" if code in signals else f"exit code {code}"


# ---------------------------------------------------------------------------------------------- clone
def of_clone(url: str, ref: str, code: str, said: str) -> Verdict:
    """Of a project that could not be cloned. `code`: the step that failed; `said`: Git's last words."""
    where = without_password(url)
    if _matches(said, *NO_SPACE):
        return no_space("on the workspace's volume", said)
    if code == "unknown-ref":
        return Verdict(
            _cause(
                "ref-not-found",
                f"{where} has no branch, tag or commit {ref!r}.",
                said,
                "Check the ref's name, and that it has been pushed.",
            ),
            True,
        )
    if _matches(said, "ssl certificate", "server certificate", "certificate verif", "x509"):
        return Verdict(
            _cause(
                "clone-untrusted",
                f"The certificate of {where} is not trusted.",
                said,
                "Give the agent the CA that signed it (ca_bundle under [agent]).",
            ),
            True,
        )
    if _matches(
        said, "authentication failed", "could not read username", "could not read password", "terminal prompts disabled",
        r"returned error: 40[13]", "permission denied", "access denied", "host key verification failed",
    ):  # fmt: skip
        return Verdict(
            _cause(
                "clone-refused",
                f"{where} refuses to be cloned: it is private, or the credential is not accepted.",
                said,
                "Check the address and the credential.",
            ),
            True,
        )
    if _matches(
        said,
        "repository .* not found",
        r"returned error: 404",
        "does not appear to be a git repository",
        "not valid: is this a git repository",
    ):
        return Verdict(
            _cause(
                "repository-not-found",
                f"There is no repository at {where}, or it is private.",
                said,
                "Check the address; a private repository needs a credential.",
            ),
            True,
        )
    if _matches(
        said, "could not resolve", "failed to connect", "couldn't connect", "connection refused", "timed out", "unable to access",
        "connection reset", "network is unreachable", "no route to host", "unable to connect", "hung up",
    ):  # fmt: skip
        return Verdict(
            _cause(
                "clone-unreachable",
                f"{where} cannot be reached from the workspace.",
                said,
                "Check the address, and the machine's network, DNS and proxy.",
            ),
            True,
        )
    if _matches(said, "transport .* not allowed", "protocol .* not (supported|allowed)"):
        return Verdict(
            _cause("clone-scheme", f"{where} is no http, https or ssh address.", said, "Use one of these."),
            True,
        )
    return Verdict(
        _cause("clone-failed", f"Cloning {where} failed.", said, "Git's last words are below."), True
    )


def clone_timeout(seconds: float) -> Verdict:
    return Verdict(
        _cause(
            "clone-timeout",
            f"The projects were not cloned after {seconds:.0f} s.",
            hint="Raise clone_timeout under [agent], or use a smaller repository.",
        ),
        True,
    )


def sandbox_ended(code: int | None, lines: str) -> Verdict:
    return Verdict(
        _cause(
            "sandbox-ended",
            f"The container that holds the workspace's network ended with {_exit_words(code)}.",
            lines,
            "The tools image may be broken: build it again (scripts/tools-image).",
        ),
        False,
    )


def without_password(url: str) -> str:
    """The address without user and password."""
    parts = urlsplit(url)
    if "@" not in parts.netloc:
        return url
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
