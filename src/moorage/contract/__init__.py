"""Step 3: what the processes exchange. Frozen, versioned, level-triggered.

Any message may be lost or repeated: a message says how things are, never what just happened, and
`generation` or `revision` decides which of two is newer. Unknown fields are ignored, so that
processes of neighbouring versions talk.

Must not: do I/O, decide anything, or carry raw Kubernetes or Docker objects.
"""

from moorage.contract.spec import (
    Command,
    Container,
    Credential,
    EditorSpec,
    Endpoint,
    NamedCommand,
    Project,
    Resources,
    Step,
    Volume,
    VolumeMount,
    WorkspaceSpec,
)
from moorage.contract.states import (
    ActualState,
    ActualWorkspace,
    Cause,
    ContainerState,
    ContainerStatus,
    DesiredState,
    DesiredWorkspace,
    FoundWorkspace,
    Stage,
    StageName,
    StageState,
    stands_against,
)

__all__ = [
    "ActualState",
    "ActualWorkspace",
    "Cause",
    "Command",
    "Container",
    "ContainerState",
    "ContainerStatus",
    "Credential",
    "DesiredState",
    "DesiredWorkspace",
    "EditorSpec",
    "Endpoint",
    "FoundWorkspace",
    "NamedCommand",
    "Project",
    "Resources",
    "Stage",
    "StageName",
    "StageState",
    "Step",
    "Volume",
    "VolumeMount",
    "WorkspaceSpec",
    "stands_against",
]
