"""How containers end, or do not begin. Pure."""

from __future__ import annotations

import re

from moorage.agent.causes.images import wrong_architecture
from moorage.agent.causes.verdict import (
    FILE_WATCHERS,
    NO_SPACE,
    Verdict,
    make_cause,
    matches,
    no_space,
    no_watchers,
)
from moorage.contract import Cause


def of_exit(
    name: str, code: int | None, lines: str, *, oom: bool = False, error: str = ""
) -> Verdict:
    """The cause of a container's end.

    `lines`: the last ones that it wrote; `error`: the engine's words, if it has any.
    """
    words = f"{error}\n{lines}"
    if matches(words, *FILE_WATCHERS):
        if not oom:
            return no_watchers(f"Container {name} ended with {_exit_words(code)}", words)
    elif matches(words, *NO_SPACE):
        return no_space(f"for container {name}", words)
    if (verdict := _of_image(words, lines)) is not None:
        return verdict
    if oom:
        return Verdict(
            make_cause(
                "out-of-memory",
                f"Container {name} was ended because it used more memory than its limit.",
                lines,
                "Raise memoryLimit in the devfile.",
            ),
            False,
        )
    if "moorage: editor-gave-up" in lines:
        return Verdict(
            make_cause(
                "editor-crashed",
                f"The editor ended again and again, last with {_exit_words(code)}.",
                lines,
                "The last lines say why; a broken file in the home directory is a frequent reason.",
            ),
            True,
        )
    if "moorage: own-command-ended" in lines:
        return Verdict(
            make_cause(
                "own-command-ended",
                f"Container {name} ended with its own command ({_exit_words(code)}), beside which the editor ran.",
                lines,
                "The devfile says overrideCommand: false. Let that command go on, or remove the attribute: then the editor"
                " takes its place.",
            ),
            False,
        )
    if code in (126, 127) or error:
        what = "could not be executed" if code == 126 else "was not found"
        return Verdict(
            make_cause(
                "command-not-executable" if code == 126 else "command-not-found",
                f"Container {name} ended at once: its command {what} ({_exit_words(code)}).",
                words,
                "Correct `command` in the devfile, or choose an image that has it.",
            ),
            True,
        )
    return Verdict(
        make_cause(
            "container-crashed",
            f"Container {name} ended with {_exit_words(code)}.",
            lines or error,
            "" if lines else "It wrote nothing before its end.",
        ),
        False,
    )


def _of_image(words: str, lines: str) -> Verdict | None:
    """The cause of an end that the image is to blame for; None: it is not."""
    if matches(words, "exec format error"):
        return wrong_architecture("", "", words)
    if "moorage: no-glibc" in lines or matches(lines, r"error relocating .*: symbol not found"):
        return Verdict(
            make_cause(
                "image-without-glibc",
                "The editor cannot run in this image: it has no GNU C library (glibc); Alpine's images have none.",
                lines,
                "Use an image that is based on Debian, Ubuntu, Fedora or another distribution with glibc.",
            ),
            True,
        )
    if old := re.search(r"version `?(GLIBC(?:XX)?_[0-9.]+)'? not found", lines):
        return Verdict(
            make_cause(
                "image-glibc-too-old",
                f"The editor cannot run in this image: its C library is older than {old[1].replace('_', ' ')}.",
                lines,
                "Use an image with a newer distribution.",
            ),
            True,
        )
    return None


MEND = "Correct what the last lines tell, then start the workspace again."
"""What to do where the cause itself does not say it."""


def crash_loop(cause: Cause, times: int) -> Verdict:
    """The cause that is told once a container ended too often."""
    hint = cause.hint or MEND
    return Verdict(
        Cause(
            code=cause.code,
            message=f"{cause.message} It was started again {times} times.",
            detail=cause.detail,
            hint=hint,
        ),
        True,
    )


def side_container(cause: Cause, *, again: bool) -> Cause:
    """The cause of a side container's failure, as it is told of a workspace that runs. `again`:
    whether it is started again by itself."""
    then = (
        "It is started again by itself, after ever longer pauses."
        if again
        else "It is started again when the workspace is restarted."
    )
    return Cause(
        code=cause.code,
        message=f"{cause.message} The workspace goes on without it.",
        detail=cause.detail,
        hint=f"{cause.hint} {then}".strip(),
        since=cause.since,
    )


def post_start_failed(outcome: str) -> Cause:
    """The cause of a failed postStart step. `outcome`: what happened, then the last lines that the
    command wrote."""
    what, _, lines = outcome.partition("\n")
    return make_cause(
        "post-start-failed",
        f"The postStart command {what}",
        lines,
        "Run it by hand in the workspace once what it told is mended; a restart runs it again, too.",
    )


def init_failed(name: str, code: int | None, lines: str) -> Verdict:
    if code in (126, 127) and matches(lines, r"\[FATAL tini"):
        return of_exit(name, code, lines)
    return Verdict(
        make_cause(
            "init-failed",
            f"The preStart step {name} failed with {_exit_words(code)}.",
            lines,
            "Correct the step's image or command in the devfile, push it, and rebuild the workspace.",
        ),
        True,
    )


def init_timeout(name: str, seconds: float, lines: str) -> Verdict:
    return Verdict(
        make_cause(
            "init-timeout",
            f"The preStart step {name} had not ended after {seconds:.0f} s.",
            lines,
            "A preStart step must end by itself.",
        ),
        True,
    )


def ca_bundle(lines: str) -> Verdict:
    """The cause of a CA bundle of which no truststore can be made."""
    return Verdict(
        make_cause(
            "ca-bundle-invalid",
            "The CA bundle that the agent's settings give holds something that is no certificate.",
            lines,
            "Correct ca_bundle: PEM certificates, each between its BEGIN and END lines.",
        ),
        True,
    )


def sandbox_ended(code: int | None, lines: str) -> Verdict:
    if "moorage: bad-ca-bundle" in lines:
        return ca_bundle(lines)
    if "moorage: no-user-namespace" in lines:
        return Verdict(
            make_cause(
                "user-namespace-missing",
                "The workspace was to have a user namespace of its own, and its node gave it none: nothing was started.",
                lines,
                "Upgrade the nodes' kubelet and container runtime, or set use_kubernetes_user_namespaces to false.",
            ),
            True,
        )
    return Verdict(
        make_cause(
            "sandbox-ended",
            f"The container that holds the workspace's network ended with {_exit_words(code)}.",
            lines,
            "The tools image may be broken: build it again (scripts/tools-image).",
        ),
        False,
    )


def editor_not_answering(port: int, path: str, seconds: float, lines: str) -> Verdict:
    return Verdict(
        make_cause(
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
