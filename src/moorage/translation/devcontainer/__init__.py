"""devcontainer.json → Devfile: what a repository without a devfile says about its environment.

Source: the Development Container Specification's metadata reference. One container, with the
editor; what a workspace cannot do with the rest is said in warnings. `reading` → `conversion`, with
`commands` for what is to run.
"""

from moorage.translation.devcontainer.conversion import Converted, from_devcontainer
from moorage.translation.devcontainer.reading import FILE_NAMES, FOLDER, is_devcontainer, kind_of

__all__ = ["FILE_NAMES", "FOLDER", "Converted", "from_devcontainer", "is_devcontainer", "kind_of"]
