"""The published cases of devfile/api and of the DevWorkspace operator, by their expected
outcome."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import published
from moorage.devfile import IMPORTED_FROM, DevfileError, Reference, ResolutionError, Resolved
from moorage.devfile.conversion import to_model
from moorage.devfile.flattening import flatten_document
from moorage.devfile.loading import Document, examine
from moorage.devfile.merging import Import, merge
from moorage.devfile.overrides import override
from moorage.devfile.references import NoResolver
from moorage.devfile.variables import COMMAND, COMPONENT, FIELDS, substitute
from moorage.devfile.writing import to_yaml
from moorage.documents.reading import read
from moorage.documents.reporting import Report
from moorage.documents.tree import Map, Seq, plain
from moorage.resolvers.http import HttpResolver

pytestmark = published.marker

DATA = published.DEVFILE / "flatten"
PATCHES = sorted(folder.name for folder in DATA.glob("api-overriding/patches/*"))
MERGES = sorted(folder.name for folder in DATA.glob("api-overriding/merges/*"))
_NAMES = re.compile(r"(?:element|in parent|in plugin '[^']*'): ([^.]*)\.")


def _tree(file: Path) -> Map:
    return read(file.read_bytes(), DevfileError)


def _said(value: Any) -> Any:
    """Without what says nothing: empty lists and mappings count as absent."""
    if isinstance(value, dict):
        return {key: inner for key, item in value.items() if (inner := _said(item)) not in ([], {})}
    return [_said(item) for item in value] if isinstance(value, list) else value


def _blamed(text: str) -> set[str]:
    """The elements that an expected error names."""
    return {name.strip() for names in _NAMES.findall(text) for name in names.split(",")}


@pytest.mark.parametrize("case", PATCHES)
def test_an_override_gives_the_published_result(case: str) -> None:
    """Every override case of devfile/api comes to its result, or to a problem for each element that
    is blamed."""
    folder = DATA / "api-overriding/patches" / case
    patch = _tree(folder / "patch.yaml")
    report = Report(patch, DevfileError)
    result = override(_tree(folder / "original.yaml"), patch, report, ())
    expected_error = folder / "result-error.txt"
    if expected_error.exists():
        blamed = _blamed(expected_error.read_text())
        assert blamed
        assert {found.code for found in report.problems} == {"overrides-nothing"}
        assert {
            name for name in blamed if any(repr(name) in found.message for found in report.problems)
        } == blamed
        assert len(report.problems) == len(blamed)
    else:
        assert not report.problems
        assert _said(plain(result)) == _said(plain(_tree(folder / "result.yaml")))


@pytest.mark.parametrize("case", MERGES)
def test_a_merge_gives_the_published_result(case: str) -> None:
    """Every merge case of devfile/api comes to its result, or to a problem for each name that is
    defined twice."""
    folder = DATA / "api-overriding/merges" / case
    main = _tree(folder / "main.yaml")
    imports = []
    if (folder / "parent.yaml").exists():
        imports.append(Import(_tree(folder / "parent.yaml"), ("parent",), "the parent"))
    if (folder / "plugin.yaml").exists():
        imports.append(
            Import(_tree(folder / "plugin.yaml"), ("components", 0, "plugin"), "the plugin")
        )
    report = Report(main, DevfileError)
    result = merge(main, imports, report)
    expected_error = folder / "result-error.txt"
    if expected_error.exists():
        blamed = _blamed(expected_error.read_text())
        assert blamed
        assert {found.code for found in report.problems} == {"already-imported"}
        assert {
            name for name in blamed if any(repr(name) in found.message for found in report.problems)
        } == blamed
        assert len(report.problems) == len(blamed)
    else:
        assert not report.problems
        assert _said(plain(result)) == _said(plain(_tree(folder / "result.yaml")))


VARIABLE_FIELDS: dict[str, Any] = {
    "components/container": COMPONENT["container"],
    "components/endpoint": COMPONENT["container"]["endpoints"][0],
    "components/env": COMPONENT["container"]["env"][0],
    "components/image-dockerfile-git": COMPONENT["image"],
    "components/image-dockerfile-registry": COMPONENT["image"],
    "components/image-dockerfile-uri": COMPONENT["image"],
    "components/openshift-kubernetes": COMPONENT["openshift"],
    "components/volume": COMPONENT["volume"],
    "commands/apply": COMMAND["apply"],
    "commands/composite": COMMAND["composite"],
    "commands/exec": COMMAND["exec"],
    "projects/git": FIELDS["projects"][0],
    "projects/project": FIELDS["projects"][0],
    "projects/starterproject": FIELDS["starterProjects"][0],
    "projects/zip": FIELDS["projects"][0],
    "all/devfile-good": FIELDS,
    "all/devfile-bad": FIELDS,
}


def test_every_variable_case_is_known() -> None:
    """No pair of the published variable cases is left out."""
    folder = DATA / "api-variables"
    pairs = {
        str(file.relative_to(folder))[: -len("-output.yaml")]
        for file in folder.rglob("*-output.yaml")
    }
    assert pairs == set(VARIABLE_FIELDS)


@pytest.mark.parametrize("case", sorted(VARIABLE_FIELDS))
def test_variables_give_the_published_result(case: str) -> None:
    """Every variable case of devfile/api comes to its output; what is unknown stays, with a
    warning."""
    folder = DATA / "api-variables"
    tree = _tree(folder / f"{case}.yaml")
    variables = tree.get("variables") or plain(
        _tree(folder / "variables/variables-referenced.yaml")
    )
    report = Report(tree, DevfileError)
    result = substitute(tree, report, fields=VARIABLE_FIELDS[case], values=variables)
    assert plain(result) == plain(_tree(folder / f"{case}-output.yaml"))
    unknown = {"unknown-variable"} if case == "all/devfile-bad" else set()
    assert {found.code for found in report.warnings} == unknown


@pytest.mark.parametrize("case", sorted(VARIABLE_FIELDS.keys() - {"all/devfile-bad"}))
def test_unknown_variables_change_nothing(case: str) -> None:
    """With other variables defined than those that are used, every case stays as it is and is
    warned of."""
    folder = DATA / "api-variables"
    tree = _tree(folder / f"{case}.yaml")
    others = plain(_tree(folder / "variables/variables-notreferenced.yaml"))
    report = Report(tree, DevfileError)
    assert substitute(tree, report, fields=VARIABLE_FIELDS[case], values=others) is tree
    assert report.warnings


LEFT_OUT = {
    "container-contributions/": "contributions are the operator's own",
    "implicit-container-contributions/": "contributions are the operator's own",
    "implicit-spec-contributions/": "contributions are the operator's own",
    "spec-contributions/": "contributions are the operator's own",
    "namespace-restriction/": "about namespaces of Kubernetes",
    "general/fail-nicely-when-no-namespace.yaml": "about namespaces of Kubernetes",
    "parent/error_parent-has-plugins.yaml": "a limit of the operator: here a parent may have plugins and a parent",
}
ERRORS = {
    "general/fail-nicely-when-no-http-client-provided_id.yaml": "imports-not-allowed",
    "general/fail-nicely-when-no-k8s-client-provided.yaml": "imports-not-allowed",
    "general/fail-nicely-when-no-registry-url.yaml": "no-registry",
    "k8s-ref/error_bad-plugin-merge.yaml": "overrides-nothing",
    "k8s-ref/error_conflicting-merge.yaml": "already-imported",
    "k8s-ref/error_plugin-not-found.yaml": "import-not-found",
    "k8s-ref/error_plugin-references-self.yml": "import-cycle",
    "k8s-ref/error_plugins-have-cycle.yml": "import-cycle",
    "plugin-id/error_fetch-unparseable-file.yaml": "missing-key",
    "plugin-id/error_invalid-schema-version.yaml": "unsupported-version",
    "plugin-id/error_on-fetch.yaml": "fetch-failed",
    "plugin-id/error_unparseable-url.yaml": "bad-url",
    "plugin-uri/error_invalid-schema-version.yaml": "unsupported-version",
    "plugin-uri/error_on-fetch.yaml": "fetch-failed",
    "plugin-uri/error_plugin-not-found.yaml": "import-not-found",
    "volume_merging/error-invalid-size-in-merged-volume.yaml": "bad-quantity",
}
"""The operator's message is its own; here the code stands for it."""
CASES = sorted(
    str(file.relative_to(DATA / "devworkspace"))
    for file in (DATA / "devworkspace").rglob("*.y*ml")
    if not str(file.relative_to(DATA / "devworkspace")).startswith(tuple(LEFT_OUT))
)
IGNORED = ("unknown-key", "choice-missing")
"""The operator's decoder lets these pass, and its cases make use of that."""


class _Served:
    """Serves the documents of a case, as its test says."""

    def __init__(self, given: dict[str, Any]) -> None:
        self.given = given

    def resolve(self, reference: Reference) -> Resolved:
        key = reference.uri or reference.name
        if reference.id:
            key = f"{reference.registry_url}/devfiles/{reference.id}"
        error = self.given.get("errors", {}).get(key)
        if error is not None:
            missing = error.get("isNotFound") or error.get("statusCode") == 404
            raise ResolutionError(
                "import-not-found" if missing else "fetch-failed", error.get("message", "")
            )
        for kind in ("devfileResources", "devworkspaceResources"):
            if key in self.given.get(kind, {}):
                document = dict(self.given[kind][key])
                if reference.name and "kind" not in document:
                    document |= {
                        "kind": "DevWorkspaceTemplate",
                        "apiVersion": "workspace.devfile.io/v1alpha2",
                    }
                return Resolved(to_yaml(document), key)
        if reference.id:
            return HttpResolver([]).resolve(reference)
        return NoResolver().resolve(reference)


def _load(text: str | bytes, *, source: int = 0, source_name: str = "") -> Document:
    document, report = examine(text, source=source, source_name=source_name)
    report.problems = [found for found in report.problems if found.code not in IGNORED]
    report.raise_if_any()
    return document


def _without_case(tree: Any) -> Any:
    """The operator's decoder takes `prestart` for `preStart`."""
    if isinstance(tree, dict):
        return {
            "preStart" if key == "prestart" else key: _without_case(value)
            for key, value in tree.items()
        }
    return [_without_case(item) for item in tree] if isinstance(tree, list) else tree


def _marked(tree: Any) -> Any:
    """Plain data as a tree of the engine's own types."""
    if isinstance(tree, dict):
        made = Map()
        made.update({key: _marked(value) for key, value in tree.items()})
        return made
    if isinstance(tree, list):
        items = Seq()
        items.extend(_marked(item) for item in tree)
        return items
    return tree


def _expected(output: dict[str, Any], main: dict[str, Any]) -> dict[str, Any]:
    """The expected devworkspace, with our attribute in place of the operator's `imported-by`."""
    origins = {"parent": str(Reference.of(main["parent"]))} if "parent" in main else {}
    for component in main.get("components", []):
        if "plugin" in component:
            origins[component["name"]] = str(Reference.of(component["plugin"]))
    for key in ("components", "commands", "projects", "starterProjects"):
        for element in output.get(key, []):
            importer = element.get("attributes", {}).pop("controller.devfile.io/imported-by", None)
            if importer:
                element["attributes"][IMPORTED_FROM] = origins[importer]
    return output


def _sorted_model(tree: dict[str, Any]) -> Any:
    sorted_tree = dict(tree)
    for key, identity in (("components", "name"), ("commands", "id")):
        if key in tree:
            sorted_tree[key] = sorted(tree[key], key=lambda element: str(element[identity]))
    return to_model(sorted_tree)


def test_every_operator_case_is_run_or_left_out_for_a_reason() -> None:
    """What is left out is there, and every expected error is told by a code."""
    files = {
        str(file.relative_to(DATA / "devworkspace"))
        for file in (DATA / "devworkspace").rglob("*.y*ml")
    }
    assert all(any(name.startswith(prefix) for name in files) for prefix in LEFT_OUT)
    assert set(ERRORS) <= files
    assert len(CASES) >= 20


@pytest.mark.parametrize("case", CASES)
def test_a_devworkspace_flattens_as_published(case: str) -> None:
    """The operator's flattening cases come to their devworkspace, or to an error of the same
    meaning."""
    told = _without_case(plain(read((DATA / "devworkspace" / case).read_bytes(), DevfileError)))
    given, wanted = told["input"], told["output"]
    main = given["devworkspace"]
    served = (
        NoResolver()
        if case.startswith("general/") and "registry-url" not in case
        else _Served(given)
    )
    document = Document(_marked({"schemaVersion": "2.3.0", **main}), "devworkspace")
    if "errRegexp" in wanted:
        with pytest.raises(DevfileError) as caught:
            flatten_document(document, served, load=_load, check=False)
        assert ERRORS[case] in [found.code for found in caught.value.problems]
        return
    tree, report = flatten_document(document, served, load=_load, check=False)
    assert not report.problems
    assert _sorted_model({**plain(tree), "schemaVersion": ""}) == _sorted_model(
        _expected(wanted["devworkspace"], main)
    )
