"""A registry's answers. Pure."""

from __future__ import annotations

from moorage.agent.causes.verdict import NO_SPACE, Verdict, make_cause, matches, no_space
from moorage.contract import Cause


def of_pull(image: str, status: int, message: str) -> Verdict:
    """The cause of a pull that failed, out of the registry's or the engine's answer."""
    if matches(message, *NO_SPACE):
        return no_space(f"for the image {image}", message)
    if matches(
        message,
        r"invalid reference format|invalid repository name|invalid tag|repository name must be",
    ):
        return Verdict(
            make_cause(
                "image-name-invalid",
                f"{image!r} is not an image's name.",
                message,
                "Correct it in the devfile.",
            ),
            True,
        )
    if matches(
        message,
        r"manifest unknown|not found: manifest|manifest for .* not found|name unknown|no such image",
    ):
        return Verdict(
            make_cause(
                "image-not-found",
                f"The registry has no image {image}.",
                message,
                "Check the image's name and tag in the devfile.",
            ),
            True,
        )
    if matches(message, r"no matching manifest", r"does not match the specified platform"):
        return wrong_architecture(image, "", message)
    if (verdict := _of_registry(image, message)) is not None:
        return verdict
    if status == 404:
        return of_pull(image, 0, f"manifest unknown: {message}")
    return Verdict(
        make_cause(
            "registry-unreachable",
            f"The registry of {image} cannot be reached.",
            message,
            "Check the machine's network, DNS and proxy; or put the image on the engine beforehand.",
        ),
        False,
    )


def _of_registry(image: str, message: str) -> Verdict | None:
    """The cause of a pull that the registry, or the way to it, does not allow; None: another."""
    if matches(message, "toomanyrequests", "too many requests", "rate limit"):
        return Verdict(
            make_cause(
                "registry-rate-limited",
                f"The registry refuses to hand out {image} for now: too many requests.",
                message,
                "Wait, or have the agent's engine sign in to the registry.",
            ),
            False,
        )
    if matches(
        message, "x509", "certificate", "tls: ", "server gave http response to https client"
    ):
        return Verdict(
            make_cause(
                "registry-untrusted",
                f"The registry of {image} has a certificate that the engine does not trust.",
                message,
                "Make the engine trust the registry's CA (/etc/docker/certs.d/<registry>/ca.crt).",
            ),
            True,
        )
    # Registries answer "denied" for what does not exist, too: one cannot tell.
    if matches(
        message, "unauthorized", "denied", "authentication required", "no basic auth", "forbidden"
    ):
        return Verdict(
            make_cause(
                "image-denied",
                f"The registry does not hand out {image}: it does not exist, or needs a sign-in.",
                message,
                "Check the image's name; for a private one, sign the agent's engine in to the registry.",
            ),
            True,
        )
    return None


def registry_denied(image: str) -> Cause:
    """One answer for every address that images are not pulled from."""
    return make_cause(
        "registry-denied",
        f"Images are not pulled from the registry of {image}.",
        hint="It is at no public address. Whoever runs the agent can list it: image_networks under [agent].",
    )


def pull_timeout(image: str, seconds: float) -> Verdict:
    return Verdict(
        make_cause(
            "image-pull-timeout",
            f"The image {image} was not there after {seconds:.0f} s.",
            hint="Pull it beforehand, use a smaller one, or raise pull_timeout under [agent].",
        ),
        True,
    )


def tools_image(image: str, cause: Cause) -> Verdict:
    """The cause of a failed pull of the tools image: the agent's installation is at fault, not the
    workspace."""
    return Verdict(
        make_cause(
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
        make_cause(
            "wrong-architecture",
            f"{what} is made for another kind of processor{f' ({has})' if has else ''} than {machine} has.",
            detail,
            "Use an image that is built for this machine's architecture, or for several.",
        ),
        True,
    )
