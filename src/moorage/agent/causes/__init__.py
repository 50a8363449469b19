"""From an engine's errors, exit codes and log lines to causes in plain words.

Pure.

Each function returns a `Verdict`: the cause, and whether it is final (nothing changes until
somebody does something). `Cause.since` is left to the caller, who has the clock.
"""

from moorage.agent.causes.clones import (
    clone_timeout,
    credential_not_taken,
    history_late,
    of_clone,
    submodule_missing,
    without_password,
)
from moorage.agent.causes.containers import (
    ca_bundle,
    crash_loop,
    editor_not_answering,
    init_failed,
    init_timeout,
    of_exit,
    post_start_failed,
    sandbox_ended,
    side_container,
)
from moorage.agent.causes.engines import engine_slow, engine_unreachable, of_engine, pool_exhausted
from moorage.agent.causes.files import files_going, files_lost
from moorage.agent.causes.found import server_set_back, works_elsewhere
from moorage.agent.causes.images import (
    of_pull,
    pull_timeout,
    registry_denied,
    tools_image,
    wrong_architecture,
)
from moorage.agent.causes.places import DOCKER, KUBERNETES, Place
from moorage.agent.causes.rescues import asked_for, beginning, in_rescue, rescue_failed
from moorage.agent.causes.verdict import DETAIL_LIMIT, Verdict, no_space

__all__ = [
    "DETAIL_LIMIT",
    "DOCKER",
    "KUBERNETES",
    "Place",
    "Verdict",
    "asked_for",
    "beginning",
    "ca_bundle",
    "clone_timeout",
    "crash_loop",
    "credential_not_taken",
    "editor_not_answering",
    "engine_slow",
    "engine_unreachable",
    "files_going",
    "files_lost",
    "history_late",
    "in_rescue",
    "init_failed",
    "init_timeout",
    "no_space",
    "of_clone",
    "of_engine",
    "of_exit",
    "of_pull",
    "pool_exhausted",
    "post_start_failed",
    "pull_timeout",
    "registry_denied",
    "rescue_failed",
    "sandbox_ended",
    "server_set_back",
    "side_container",
    "submodule_missing",
    "tools_image",
    "without_password",
    "works_elsewhere",
    "wrong_architecture",
]
