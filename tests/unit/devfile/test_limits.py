"""What makes it true that any bytes are read or refused within a second and 200 MB: work and errors
have bounds.

Not timings, which a busy machine has its own; `bench/devfile.py` measures them.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import published
from moorage.devfile import DevfileError, flatten, parse, refusals
from moorage.devfile.variables import REFERENCE, replace
from moorage.documents import limits
from moorage.documents.building import Builder
from moorage.documents.problems import path_text, short
from moorage.documents.reporting import Report

HEAD = "schemaVersion: 2.2.2\n"
CONTAINER = HEAD + "components:\n- name: a\n  container:\n    image: i\n"
COMMANDS = HEAD + "components:\n- name: a\n  container: {image: i}\ncommands:\n"
LONG = "n" * 100_000
UNITS = {
    "components": (HEAD + "components:\n", "- {name: c@, container: {image: i}}\n", ""),
    "endpoints": (CONTAINER + "    endpoints:\n", "    - {name: e@, targetPort: @}\n", ""),
    "same ports": (HEAD + "components:\n", "- {name: c@, container: {image: i, endpoints: [{name: e, targetPort: 1}]}}\n", ""),
    "mounts": (CONTAINER + "    volumeMounts:\n", "    - name: v@\n", ""),
    "commands": (COMMANDS, "- {id: k@, exec: {component: a, commandLine: x}}\n", ""),
    "missing components": (COMMANDS, "- {id: k@, exec: {component: x@, commandLine: x}}\n", ""),
    "cycles": (COMMANDS, "- {id: k@, composite: {commands: [k@, k1]}}\n", ""),
    "one composite": (COMMANDS + "- id: y\n  composite:\n    commands:\n", "    - y@\n", ""),
    "events": (COMMANDS + "- {id: z, exec: {component: a, commandLine: x}}\nevents:\n  postStart:\n", "  - z@\n", ""),
    "groups": (COMMANDS, "- {id: k@, exec: {component: a, commandLine: x, group: {kind: run, isDefault: true}}}\n", ""),
    "remotes": (HEAD + "projects:\n- name: p\n  git:\n    remotes:\n", "      r@: u\n", ""),
    "tags": (HEAD + "metadata:\n  tags:\n", "  - t\n", ""),
    "variables": (HEAD + "variables:\n", "  v@: '{{v1}}'\n", ""),
    "references": (CONTAINER + "    args: [", "'{{v@}}', ", "]"),
    "unknown keys": (HEAD, "k@: v\n", ""),
    "mistyped keys": (HEAD + "components:\n", "- {nane: a, contaner: {imag: i}}\n", ""),
    "aliases": (HEAD + "attributes: {a: &a [x, {b: c}], b: [", "*a, ", "]}"),
    "anchors": (HEAD + "attributes: {a: [", "&a@ {}, ", "]}"),
    "deep": (HEAD + "attributes:\n", "  k@: " + "[" * 90 + "]" * 90 + "\n", ""),
    "imports": ("schemaVersion: 2.0.0\ncomponents:\n", "- {name: c@, plugin: {uri: u}}\n", ""),
}  # fmt: skip


def _calls(text: str) -> int:
    """How many functions are called, in Python and in C, to read `text`."""
    count = 0

    def counted(_: Any, event: str, __: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(counted)
    try:
        flatten(parse(text))
    except DevfileError:
        pass
    finally:
        sys.setprofile(None)
    return count


def _text(parts: tuple[str, str, str], count: int) -> str:
    head, unit, tail = parts
    return head + "".join(unit.replace("@", str(number)) for number in range(count)) + tail


@pytest.mark.parametrize("name", UNITS)
def test_twice_as_much_is_twice_the_work(name: str) -> None:
    """Nothing looks at a thing once for each other thing."""
    parts = UNITS[name]
    _calls(_text(parts, 2))  # what is made once
    once, twice = (_calls(_text(parts, count)) for count in (1500, 3000))
    assert twice < 2.2 * once


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    head=st.sampled_from(["", "a: ", "a: [", "a:\n  ", 'a: "', "a: |\n  ", HEAD, CONTAINER + "    args: [", COMMANDS]),
    unit=st.text(alphabet="ab1{}[]:-,&*!|>'\"%@#?~\\ \n", min_size=1, max_size=12),
    tail=st.sampled_from(["", "]", "}", '"', "\n"]),
)  # fmt: skip
def test_any_repetition_is_linear(head: str, unit: str, tail: str) -> None:
    """Whatever is repeated a thousand times gives a devfile or an error, for work that grows as the
    text does."""
    parts = (head, unit, tail)
    once, twice = (_calls(_text(parts, count)) for count in (500, 1000))
    assert twice < 2.5 * once + 1000


class _Looked(str):
    """Text that counts the characters that are looked at."""

    looked = 0

    def find(self, sub: str, start: int = 0, end: int | None = None, /) -> int:  # type: ignore[override]
        found = super().find(sub, start, len(self) if end is None else end)
        self.looked += (found if found >= 0 else len(self) if end is None else end) - start
        return found

    def __getitem__(self, key: Any) -> str:
        part = super().__getitem__(key)
        self.looked += len(part)
        return part


@pytest.mark.parametrize(
    "text",
    ["}" * 3000 + "{{", "{" * 3000, "{{x\n" + "y}}" * 1000, "{{x" + "\ny}}" * 1000, "{{ {{ \n }} " * 300, "{{a}}" * 600, "{{" + " " * 3000 + "}}"],
)  # fmt: skip
def test_variables_are_looked_for_once(text: str) -> None:
    """However braces stand, each character is looked at a few times: the specification's expression
    would take quadratic time."""
    counted = _Looked(text)
    replace(counted, {"a": "b"}.get)
    assert 0 < counted.looked < 5 * len(text)


@pytest.mark.parametrize(("more", "fits"), [(0, True), (1, False)])
@pytest.mark.parametrize("name", ["known", "unknown"])
def test_references_are_counted(name: str, more: int, fits: bool) -> None:
    """Each `{{ name }}` counts for some characters at least, so that their number is limited
    too."""
    most = limits.MAX_TEXT // REFERENCE
    text = f"{HEAD}variables: {{known: x}}\ncomponents: [{{name: c, container: {{image: '{f'{{{{{name}}}}}' * (most + more)}'}}}}]"
    if fits:
        image = flatten(parse(text)).devfile.components[0].container
        assert image is not None
        assert len(str(image.image)) == most * (1 if name == "known" else len("{{unknown}}"))
        return
    with pytest.raises(DevfileError) as caught:
        parse(text)
    (problem,) = caught.value.problems
    assert (problem.code, problem.path) == ("too-much-text", "components[0].container.image")
    assert f"{limits.MAX_TEXT:,}" in problem.hint


def test_names_are_compared_within_a_budget() -> None:
    """The first mistakes come with what was meant; when enough names were compared, only other
    cases are seen."""
    report = Report({}, DevfileError)
    names = [f"name-{number}" for number in range(limits.COMPARISONS * 2 // 3)]
    assert report.suggest("nam-5", names) == "Did you mean 'name-5'?"
    assert report.suggest("nam-5", names) == ""
    assert report.suggest("NAME-7", names) == "Did you mean 'name-7'?"
    assert report.suggest("nam-5", iter(names * 2)) == ""
    assert report.suggest("xyz", ["a", "b"]) == "Known here: a, b."


def test_few_problems_bring_all_suggestions() -> None:
    """A devfile as people write them stays within the budget: each of its mistakes has its hint."""
    components = "".join(f"- {{name: component-{n}, container: {{image: i}}}}\n" for n in range(30))
    commands = "".join(
        f"- {{id: c{n}, exec: {{component: componnt-{n}, commandLine: x}}}}\n" for n in range(25)
    )
    devfile = parse(f"{HEAD}components:\n{components}commands:\n{commands}")
    assert [problem.hint for problem in refusals(devfile, "strict")] == [
        f"Did you mean 'component-{n}'?" for n in range(25)
    ]


@pytest.mark.parametrize(
    "text",
    [
        HEAD + f"components:\n- name: {LONG}\n  container:\n    image: i\n    endpoints:\n" + "    - {name: e, targetPort: 80}\n" * 1000,
        HEAD + f"components:\n- name: {LONG}\n  volume: {{}}\n" * 30,
        COMMANDS + f"- id: {LONG}\n  composite:\n    commands:\n" + "    - x\n" * 1000 + f"    - {LONG}\n",
        COMMANDS + f"- id: {LONG}\n  exec: {{component: {LONG}, commandLine: x}}\n- id: k\n  composite: {{commands: [{LONG}, {LONG}1]}}\nevents: {{preStart: [{LONG}, k]}}\n",
        HEAD + f"attributes: {{a: &n {LONG}}}\ncomponents:\n" + "- {name: a, container: {image: i, annotation: {service: {*n : []}}}}\n" * 50,
        HEAD + f"attributes: {{a: &n {LONG}}}\nprojects:\n" + "- {name: a, git: {remotes: {*n : a, b: c}, checkoutFrom: {remote: *n }}}\n" * 15 + "- {name: b, git: {remotes: {*n : a, b: c}}}\n",
        HEAD + f"schemaVersions: a\n{LONG}: b\n? {LONG} x\n: b\n",
        CONTAINER + f"    image_{LONG}: a\n    memoryLimit: {LONG}\n    env: [{{name: a, value: {LONG}, x: &n {LONG}}}, *n ]\n    args: ['{{{{ {LONG} }}}}']\n",
        f"schemaVersion: {LONG}",
        f"a: !{LONG} b",
        f"a: *{LONG}",
        f"a: 1e{'9' * 5000}",
        f"{LONG}: 1\n{LONG}: 2",
        HEAD + "parent: {uri: u, components: [" + f"{{name: {LONG}, container: {{image: i}}}}," * 20 + "]}",
    ],
)  # fmt: skip
def test_an_error_is_short_whatever_the_names(text: str) -> None:
    """Names of any length, spoken of any number of times, do not make an error that nobody can send
    or show."""
    text = text.replace(f"{LONG}:", f"? {LONG}\n:", 1) if text.startswith(LONG) else text
    with pytest.raises(DevfileError) as caught:
        parse(text)
    assert len(json.dumps(caught.value.details)) < 100_000
    assert len(str(caught.value)) < 1000
    for problem in caught.value.problems:
        assert len(problem.message) < 400
        assert len(problem.hint) < 1000
        assert len(problem.path) < 300


def test_a_long_name_is_cut_where_it_is_spoken_of() -> None:
    """Up to sixty characters stay as they are, also in a path."""
    assert short("a" * 60) == "a" * 60
    assert short("a" * 61) == "a" * 57 + "..."
    assert path_text(("components", 3, "b" * 61, "c d")) == f'components[3].{"b" * 57}...["c d"]'


@published.marker
def test_the_limits_are_far_above_real_devfiles(data: Path) -> None:
    """The largest published one has a hundredth of the values and bytes that are taken."""
    from yaml._yaml import CParser

    most = 0
    for file in data.rglob("*.yaml"):
        text = file.read_bytes()
        assert len(text) < limits.MAX_BYTES / 100
        builder = Builder(DevfileError.kind)
        if text.count(b"\n---") == 0 and b"{{" not in text[:2]:
            builder.build(CParser(text))
        most = max(most, builder.nodes)
    assert 400 < most < limits.MAX_NODES / 100


def test_the_page_names_the_limits() -> None:
    """`docs/devfile.md` says what the limits are."""
    page = (Path(__file__).parents[3] / "docs/devfile.md").read_text()
    section = re.split(r"^## ", page, flags=re.MULTILINE)
    text = next(part for part in section if part.startswith("Limits"))
    for number in (limits.MAX_NODES, limits.MAX_DEPTH, limits.MAX_DIRECTIVES, limits.SHOWN, limits.SUGGESTIONS, limits.COMPARISONS, limits.MOST_PROBLEMS, REFERENCE):  # fmt: skip
        assert re.search(rf"(?<![\d,]){number:,}(?![\d,])", text), number
    assert f"{limits.MAX_BYTES // 1024**2} MB" in text
    assert f"{limits.MAX_TEXT // 1024**2} million characters" in text
