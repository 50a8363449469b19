"""The error of a devfile that cannot be used."""

from __future__ import annotations

from moorage.documents.kinds import YAML_1_2_MERGING, Kind
from moorage.documents.problems import DocumentError


class DevfileError(DocumentError):
    """A devfile that cannot be used. `problems` holds all that is wrong, in the order of the
    document."""

    default_code = "devfile-invalid"
    kind = Kind(
        "devfile", example="schemaVersion: 2.2.0", field="devfile", dialect=YAML_1_2_MERGING
    )
