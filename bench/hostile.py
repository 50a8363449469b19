"""Devfiles of just under 3 MB that are made to be slow or large to read: what `bench/devfile.py`
holds the engine against.

    python bench/hostile.py            # what each costs
    python bench/hostile.py WORD       # those with this word in their name

Dense ones, deep ones, ones that are wrong everywhere, and ones that are slow for whoever looks at a
thing once for every other thing. Those that hold more values than the engine takes come twice: as
they are, and with just so many.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from yaml._yaml import CParser
from yaml.error import YAMLError

from moorage.devfile import DevfileError, flatten, parse, refusals
from moorage.documents.building import Builder, Refused
from moorage.documents.limits import MAX_BYTES, MAX_NODES
from moorage.translation import to_workspace_spec

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))

import published

SIZE = MAX_BYTES - 64
"""Bytes of each, at most."""
REGISTRY = published.DEVFILE / "registry"
HEAD = "schemaVersion: 2.2.2\n"
CONTAINER = HEAD + "components:\n- name: a\n  container:\n    image: i\n"
TWO = HEAD + "components:\n- name: a\n  container: {image: i}\n"
ONE_COMMAND = TWO + "commands:\n- {id: z, exec: {component: a, commandLine: x}}\n"
USUAL = """\
- name: component-@
  attributes: {note: 'a text of usual length'}
  container:
    image: registry.example.com/team/image-@:latest
    memoryLimit: 512Mi
    mountSources: true
    command: ['tail', '-f', '/dev/null']
    env:
    - name: NUMBER
      value: '@'
    endpoints:
    - name: e@
      exposure: none
"""


LARGEST_ERROR = 200_000
"""Bytes: a hundred problems, each of a few short sentences."""


class Cost(NamedTuple):
    name: str
    seconds: float
    """Of the processor: parse, flatten, hold against GitLab's profile, translate."""
    megabytes: float
    """Of the process at its largest, interpreter and input included."""
    outcome: str


REPEATED: dict[str, tuple[str, ...]] = {
    # Head, what is repeated (`@` is its number), and tail.
    "components as in the registry": (HEAD + "components:\n", USUAL + "      targetPort: @\n"),
    "ports, one for all": (HEAD + "components:\n", USUAL + "      targetPort: 80\n"),
    "projects with addresses": (TWO + "projects:\n", "- {name: p@, git: {remotes: {o: 'https://h/@'}}}\n"),
    "composites": (ONE_COMMAND, "- id: k@\n  composite:\n    commands: [z, z]\n"),
    "components": (HEAD + "components:\n", "- {name: c@, container: {image: i}}\n"),
    "volumes": (HEAD + "components:\n", "- name: v@\n  volume: {}\n"),
    "env": (CONTAINER + "    env:\n", "    - {name: A@, value: b}\n"),
    "env with numbers": (CONTAINER + "    env:\n", "    - {name: A@, value: 1}\n"),
    "endpoints": (CONTAINER + "    endpoints:\n", "    - {name: e@, targetPort: 80}\n"),
    "args": (CONTAINER + "    args: [", "a,", "]"),
    "args in a block": (CONTAINER + "    args:\n", "    - a\n"),
    "mounts": (CONTAINER + "    volumeMounts:\n", "    - name: v@\n"),
    "commands": (TWO + "commands:\n", "- {id: k@, exec: {component: a, commandLine: x}}\n"),
    "grouped commands": (TWO + "commands:\n", "- {id: k@, exec: {component: a, commandLine: x, group: {kind: run, isDefault: true}}}\n"),
    "one composite": (TWO + "commands:\n- {id: z, exec: {component: a, commandLine: x}}\n- id: y\n  composite:\n    commands:\n", "    - z\n"),
    "events": (TWO + "commands:\n- {id: z, exec: {component: a, commandLine: x}}\nevents:\n  postStart:\n", "  - z\n"),
    "unknown events": (TWO + "events:\n  postStart:\n", "  - z@\n"),
    "projects": (HEAD + "projects:\n", "- {name: p@, git: {remotes: {o: u}}}\n"),
    "remotes": (HEAD + "projects:\n- name: p\n  git:\n    remotes:\n", "      r@: u\n"),
    "tags": (HEAD + "metadata:\n  tags:\n", "  - t@\n"),
    "same tags": (HEAD + "metadata:\n  tags:\n", "  - t\n"),
    "attributes": (HEAD + "attributes:\n", "  k@: v\n"),
    "empty attributes": (HEAD + "attributes:\n  a: [", "{},", "]"),
    "numbers": (HEAD + "attributes:\n  a: [", "1,", "]"),
    "long numbers": (HEAD + "attributes:\n  a: [", "1" * 400 + "e-300,", "]"),
    "one long number": (HEAD + "attributes:\n  a: ", "9", "x"),
    "annotations": (CONTAINER + "    annotation:\n      service:\n", "        k@: v\n"),
    "variables": (HEAD + "variables:\n", "  v@: x\n"),
    "references": (HEAD + "variables: {v: x}\ncomponents:\n- name: a\n  container:\n    image: '", "{{v}}", "'\n"),
    "many references": (CONTAINER.replace("components", "variables: {v: x}\ncomponents") + "    args: [", "'{{v}}',", "]"),
    "unknown references": (CONTAINER + "    args: [", "'{{w@}}',", "]"),
    "growing references": (CONTAINER.replace("components", "variables: {v: " + "x" * 10_000 + "}\ncomponents") + "    args: [", "'{{v}}',", "]"),
    "open braces": (HEAD + "components:\n- name: a\n  container:\n    image: '", "{", "'\n"),
    "closed braces": (HEAD + "components:\n- name: a\n  container:\n    image: '", "}", "{{'\n"),
    "braces on two lines": (HEAD + 'components:\n- name: a\n  container:\n    image: "{{x\\n', "y}}", '"\n'),
    "braces and line breaks": (HEAD + 'components:\n- name: a\n  container:\n    image: "{{x', "\\ny}}", '"\n'),
    "braces and blanks": (HEAD + "components:\n- name: a\n  container:\n    image: '{{x y", " }", "}}'\n"),
    "unknown keys": (HEAD, "k@: v\n"),
    "mistyped keys": (HEAD + "components:\n", "- {nane: a, contaner: {imag: i}}\n"),
    "wrong types": (HEAD + "components:\n", "- [1]\n"),
    "wrong texts": (CONTAINER + "    args: [", "1,", "]"),
    "bad names": (HEAD + "components:\n", "- {name: C_@, container: {image: i}}\n"),
    "same names": (HEAD + "components:\n", "- {name: c, container: {image: i}}\n"),
    "same endpoints": (CONTAINER + "    endpoints:\n", "    - {name: e, targetPort: 99999}\n"),
    "missing components": (TWO + "commands:\n", "- {id: k@, exec: {component: aa, commandLine: x}}\n"),
    "bad amounts": (HEAD + "components:\n", "- {name: c@, volume: {size: x}}\n"),
    "wrong choices": (HEAD + "components:\n", "- {name: c@, volume: {}, container: {image: i}}\n"),
    "cycles": (TWO + "commands:\n", "- {id: k@, composite: {commands: [k@, k@]}}\n"),
    "long keys": (CONTAINER + "    annotation:\n      service:\n", "        " + "k" * 1000 + "@: []\n"),
    "a long owner": (HEAD + "components:\n- name: " + "n" * 1_500_000 + "\n  container:\n    image: i\n    endpoints:\n", "    - {name: e, targetPort: 80}\n"),
    "a long command": (TWO + "commands:\n- id: " + "n" * 1_500_000 + "\n  composite:\n    commands:\n", "    - x@\n"),
    "a long key with mistakes below": (CONTAINER + "    annotation:\n      service:\n        ? " + "n" * 1_500_000 + "\n        : x\n" + "    args:\n", "    - 1\n"),
    "aliased long names": (HEAD + "attributes: {a: &n " + "n" * 2_000 + "}\ncomponents:\n", "- {name: *n, volume: {}}\n"),
    "depth": (HEAD + "attributes:\n", "  k@: " + "[" * 97 + "]" * 97 + "\n"),
    "deep blocks": (HEAD + "attributes:\n", "  k@:\n    " + "- " * 90 + "x\n"),
    "lines of dashes below a key": (HEAD + "a:\n", "-\n"),
    "lines of question marks": (HEAD, "? k@\n"),
    "comments between": (HEAD + "attributes:\n", "  k@: v # a\n\n"),
    "escapes": (HEAD + 'attributes: {a: "', "\\n", '"}'),
    "wide escapes": (HEAD + 'attributes: {a: "', "\\U0001F600", '"}'),
    "quotes": (HEAD + "attributes: {a: '", "''", "'}"),
    "folded lines": (HEAD + "attributes:\n  a: b\n", "     c\n"),
    "folded quotes": (HEAD + "attributes:\n  a: '", "\n   c", "'\n"),
    "literal": (HEAD + "attributes:\n  a: |\n", "   c\n"),
    "folded": (HEAD + "attributes:\n  a: >\n", "   c\n\n"),
    "one long text": (HEAD + "attributes:\n  a: ", "x"),
    "many long texts": (CONTAINER + "    args:\n", "    - " + "x" * 1000 + "\n"),
    "open quote": (HEAD + "a: '", "x\n"),
    "open list": (HEAD + "a: [", "x,\n"),
    "anchors": (HEAD + "attributes: {a: [", "&a@ x,", "]}"),
    "same anchors": (HEAD + "attributes: {a: [", "&a x,", "]}"),
    "aliases": (HEAD + "attributes: {a: &a x, b: [", "*a,", "]}"),
    "aliases of a list": (HEAD + "attributes: {a: &a [[], []], b: [", "*a,", "]}"),
    "aliases of a long text": (HEAD + "attributes: {a: &a " + "x" * 3000 + ", b: [", "*a,", "]}"),
    "aliases of a component": (HEAD + "components:\n- &c {name: a, container: {image: 1}}\n", "- *c\n"),
    "aliased keys": (HEAD + "attributes:\n  a: &k " + "x" * 500 + "\n  b: [", "{*k : y},", "]\n"),
    "merge keys": (HEAD + "attributes:\n  base: &b {x: 1}\n", "  k@: {<<: *b}\n"),
    "tags of YAML": (HEAD + "attributes: {a: [", "!!str x,", "]}"),
    "long tags": (HEAD + "attributes: {a: [", "!<tag:yaml.org,2002:" + "s" * 900 + "> x,", "]}"),
    "directives": ("", "%TAG !a@! tag:x\n", "--- a"),
    "documents": ("", "---\n"),
    "same key at the end": (HEAD + "attributes:\n", "  k@: v\n", "  k0: v\n"),
    "block and flow": (HEAD + "components:\n", "- name: c@\n  container: {image: i, args: [a, b]}\n  attributes:\n    a: {b: {c: d}}\n"),
    "unquoted braces": (HEAD + "a:\n", "- {{a}}\n"),
    "JSON": ('{"schemaVersion": "2.2.2", "components": [', '{"name": "c@", "container": {"image": "i"}},', "]}"),
    "wide letters": (HEAD + "attributes:\n", "  ключ@: значение\n"),
    "a Kubernetes object": ("apiVersion: v1\nkind: ConfigMap\ndata:\n", "  k@: v\n"),
    "a DevWorkspace": ("apiVersion: workspace.devfile.io/v1alpha2\nkind: DevWorkspace\nspec:\n  template:\n    components:\n", "    - {name: c@, container: {image: i}}\n"),
    "plugins": ("schemaVersion: 2.0.0\ncomponents:\n", "- {name: c@, plugin: {uri: u}}\n"),
    "a parent's overrides": (HEAD + "parent:\n  uri: u\n  components:\n", "  - {name: c@, container: {image: i}}\n"),
}  # fmt: skip
"""What is dense or wrong in the same way all through."""


def repeated(
    head: str, unit: str, tail: str = "", *, size: int = SIZE, most: int = MAX_BYTES
) -> str:
    """`head`, then `unit` as often as fits (`most` times at most), then `tail`."""
    room = size - len(head.encode()) - len(tail.encode())
    parts: list[str] = []
    while len(parts) < most:
        part = unit.replace("@", str(len(parts)))
        room -= len(part.encode())
        if room < 0:
            break
        parts.append(part)
    return head + "".join(parts) + tail


def accepted(head: str, unit: str, tail: str = "") -> str:
    """As many units as the engine takes, and a comment as long as fits; "" when all that fit are
    taken."""
    few, more = (_values(repeated(head, unit, tail, most=count)) for count in (10, 11))
    if more == few:
        return ""
    most = (MAX_NODES - few) // (more - few) + 10
    if len(repeated(head, unit, tail, most=most + 1)) > SIZE - len(unit):
        return ""
    text = repeated(head, unit, tail, most=most)
    return text + "\n#" + "x" * (SIZE - len(text.encode()) - 2)


def _values(text: str) -> int:
    """0 for what is no YAML, or none that is taken."""
    builder = Builder(DevfileError.kind)
    try:
        builder.build(CParser(text))
    except (YAMLError, Refused):
        return 0
    return builder.nodes


def _registry() -> bytes:
    texts = [file.read_bytes() for file in sorted(REGISTRY.rglob("devfile.yaml"))]
    return (b"".join(texts) * (SIZE // sum(map(len, texts)) + 1))[:SIZE]


def _random(alphabet: bytes, seed: int) -> bytes:
    return bytes(random.Random(seed).choices(alphabet, k=SIZE))


def _near(count: int) -> list[str]:
    """Names of the same letters in another order: as near to each other as names can be."""
    chance = random.Random(1)
    letters = list("abcdefghijklmnopqrstuvwxyz0123456789" * 3)[:63]
    names = []
    for _ in range(count):
        chance.shuffle(letters)
        names.append("".join(letters))
    return names


def _near_components(defined: int) -> str:
    names = _near(defined + 9000)
    components = "".join(f"- name: {name}\n  container: {{image: i}}\n" for name in names[:defined])
    commands = "".join(
        f"- id: c{number}\n  exec: {{component: {name}, commandLine: x}}\n"
        for number, name in enumerate(names[defined:])
    )
    return f"{HEAD}components:\n{components}commands:\n{commands}"


def _near_references() -> str:
    variables = "".join(f"  {name}: x\n" for name in _near(1000))
    head = CONTAINER.replace("components:", f"variables:\n{variables}components:")
    return repeated(
        head + "    args:\n",
        "    - '{{abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrst@}}'\n",
    )


def _chain() -> str:
    """Composite commands, each of which runs the next."""
    links = "".join(
        f"- id: k{n}\n  composite: {{commands: [k{n + 1}, z]}}\n" for n in range(15_000)
    )
    return f"{ONE_COMMAND}{links}- id: k15000\n  composite: {{commands: [z]}}\n"


def _bomb() -> str:
    text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    return text + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 12))


def _bound() -> str:
    """Commands that all run at the start."""
    commands = "".join(
        f"- {{id: k{n}, exec: {{component: a, commandLine: x, workingDir: $A}}}}\n"
        for n in range(7000)
    )
    return f"{TWO}commands:\n{commands}events: {{postStart: [{', '.join(f'k{n}' for n in range(7000))}]}}\n"


OTHERS: dict[str, Callable[[], str | bytes]] = {
    "commands of an event": _bound,
    "composites in a chain": _chain,
    "near references": _near_references,
    "near components": lambda: _near_components(999),
    "many near components": lambda: _near_components(9000),
    "many components, missing ones": lambda: repeated(
        repeated(HEAD + "components:\n", "- {name: c@, container: {image: i}}\n", most=12_000)
        + "commands:\n",
        "- {id: k@, exec: {component: x@, commandLine: x}}\n",
        most=10_000,
    ),
    "too deep": lambda: "[" * SIZE,
    "dashes": lambda: "- " * (SIZE // 2),
    "lines of dashes": lambda: "-\n" * (SIZE // 2),
    "question marks": lambda: "? " * (SIZE // 2),
    "colons": lambda: ": " * (SIZE // 2),
    "comments": lambda: "#\n" * (SIZE // 2),
    "one comment": lambda: "#" * SIZE,
    "empty lines": lambda: "\n" * SIZE,
    "carriage returns": lambda: "\r" * SIZE,
    "spaces": lambda: "a:" + " " * (SIZE - 2),
    "tabs": lambda: "a:" + "\t" * (SIZE - 2),
    "NULs": lambda: "\0" * SIZE,
    "one wide text": lambda: repeated(HEAD + "attributes:\n  a: ", "😀"),
    "a bomb": _bomb,
    "registry, one after the other": _registry,
    "random bytes": lambda: _random(bytes(range(256)), 1),
    "random ASCII": lambda: _random(bytes(range(32, 127)) + b"\n", 2),
    "random YAML": lambda: _random(b"ab:-,[]{}&*!|>'\"#? \n", 3),
    "random lines": lambda: HEAD.encode() + _random(b"a-: \n", 4)[: SIZE - 40],
    "UTF-16": lambda: repeated(HEAD, "k@: v\n", size=SIZE // 2).encode("utf-16"),
    "invalid UTF-8": lambda: repeated(HEAD, "k@: v\n", size=SIZE - 1).encode() + b"\xff",
}


def inputs() -> Iterator[tuple[str, bytes]]:
    """Each input's name and bytes."""
    for name, parts in REPEATED.items():
        yield name, repeated(*parts).encode()
        if text := accepted(*parts):
            yield f"{name}; as many as are taken", text.encode()
    for name, make in OTHERS.items():
        made = make()
        yield name, made if isinstance(made, bytes) else made.encode()


def cost(name: str, text: bytes) -> Cost:
    """What an input costs, in a process of its own."""
    run = [sys.executable, __file__, "--read"]
    out = subprocess.run(run, input=text, capture_output=True, check=True, timeout=100).stdout
    return Cost(name, *json.loads(out))


def read() -> tuple[float, float, str]:
    """The cost of what stands on standard input."""
    text = sys.stdin.buffer.read()
    started = time.process_time()
    try:
        devfile = parse(text)
        flat = flatten(devfile)
        outcome = f"valid, {len(flat.warnings)} warnings"
        refusals(devfile, "gitlab")
        with suppress(DevfileError):
            to_workspace_spec(flat.devfile)
    except DevfileError as error:
        outcome = f"{error.problems[0].code} and {len(error.problems) + error.left_out - 1} more"
        if len(json.dumps(error.details)) > LARGEST_ERROR:
            raise
    seconds = time.process_time() - started
    return seconds, _peak(), outcome


def _peak() -> float:
    """MB of this process at its largest. Not getrusage's: that counts what the parent was when it
    forked."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6


def main() -> None:
    if sys.argv[1:] == ["--read"]:
        print(json.dumps(read()))
        return
    word = sys.argv[1] if len(sys.argv) > 1 else ""
    for name, text in inputs():
        if word in name:
            found = cost(name, text)
            print(
                f"{found.seconds:6.2f} s {found.megabytes:5.0f} MB  {name}: {found.outcome}",
                flush=True,
            )


if __name__ == "__main__":
    main()
