"""The environment that a workspace is repaired from while its own cannot run. Pure.

One container of an image that works, with the editor, under the name of the main one; the
workspace's volume is where it always is, its other volumes are below `VOLUMES`. The home directory
is another one: a broken file in the workspace's own may be what is to be repaired. Nothing else of
the devfile runs. Isolation, user and limits are those of every workspace.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from moorage.agent.runtimes import ownership
from moorage.agent.runtimes.port import Rescue
from moorage.contract import (
    Container,
    DesiredWorkspace,
    Resources,
    VolumeMount,
    WorkspaceSpec,
)

HOME = "/tmp/home"  # noqa: S108 - inside the container
VOLUMES = "/volumes"
"""Where the devfile's volumes are."""
LEAST_MEMORY = 1 << 30
"""Bytes that an editor needs. A devfile may set less for its own, which is then what is to be
repaired; what the agent's settings allow a workspace holds all the same."""
_OWN_PREFIX = "MOORAGE_"
_OWN = frozenset({"VSCODE_PROXY_URI"})
"""Variables of the server's, beside those of the prefix. The devfile's own may be what is wrong."""


def made_as(desired: DesiredWorkspace, rescue: Rescue | None) -> DesiredWorkspace:
    """The workspace as its containers are to be made: as it is, or as what it is repaired from."""
    if rescue is None:
        return desired
    return msgspec.structs.replace(desired, spec=_spec(desired.spec, rescue.image))


def labels(rescue: Rescue | None) -> dict[str, str]:
    """The label (or annotation) of a run, by which `of_labels` knows it again."""
    return {ownership.RESCUE: msgspec.json.encode(rescue).decode()} if rescue is not None else {}


def of_labels(found: Mapping[str, str]) -> Rescue | None:
    """None: it is the workspace's own run."""
    text = found.get(ownership.RESCUE, "")
    if not text:
        return None
    try:
        return msgspec.json.decode(text, type=Rescue)
    except msgspec.DecodeError:
        return None


def _spec(spec: WorkspaceSpec, image: str) -> WorkspaceSpec:
    main = next((c for c in spec.containers if c.name == spec.main_container), None)
    own = main.env if main is not None else {}
    container = Container(
        name=spec.main_container,
        image=image,
        override_command=True,
        env={
            name: value
            for name, value in own.items()
            if name.startswith(_OWN_PREFIX) or name in _OWN
        },
        resources=_resources(main.resources if main is not None else Resources()),
        volume_mounts=tuple(
            VolumeMount(volume.name, f"{VOLUMES}/{volume.name}")
            for volume in spec.volumes
            if not volume.ephemeral
        ),
    )
    return WorkspaceSpec(
        containers=(container,),
        main_container=spec.main_container,
        editor=spec.editor,
        volumes=spec.volumes,
        projects=spec.projects,
        home=HOME,
    )


def _resources(own: Resources) -> Resources:
    limit = own.memory_limit and max(own.memory_limit, LEAST_MEMORY)
    return Resources(cpu_limit=own.cpu_limit, memory_limit=limit)
