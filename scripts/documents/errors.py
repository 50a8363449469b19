"""Every code that an error, a cause, a problem or a notice carries, with what it says and what to
do.

The code is read, not run. A callable that takes a `code` (a class's `__init__` or fields, a
function's parameters) is known by its definition; each call of it with a code that is written there
is one entry. What is filled in at run time is shown as `…`.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from moorage.kernel import errors

SOURCE = Path(__file__).resolve().parents[2] / "src/moorage"
CODE = re.compile(r"[a-z0-9]+(-[a-z0-9…]+)*")
SHOWN = 3
"""Sentences of one code that are shown at most; a code that is used in more places has more."""

KINDS = {
    name: kind
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, errors.MoorageError)
}
"""The error tree: each of its kinds is a section."""
MEANINGS = dict(re.findall(r"── (\w+) +(?:… or )?(.+?) +HTTP", errors.__doc__ or ""))
"""What the tree, as it is drawn, says of each kind."""
CAUSE, NOTICE, PAGE, HTTP, PROBLEM = "cause", "notice", "page", "http", "problem"
SECTIONS = {
    CAUSE: (
        "Causes",
        "Why a workspace waits or failed: `cause` of a workspace, its page, `moor show`.",
    ),
    NOTICE: ("Notices", "What happened to a workspace, or is about to: `notice` of a workspace."),
    PROBLEM: (
        "Problems and warnings",
        "What is wrong with a devfile, a devcontainer.json or an agent's settings, and what of it is left out: "
        "`problems` of an error, `warnings` of a workspace, `moor devfile`.",
    ),
    PAGE: ("Pages", "Shown by a gateway or HAProxy in place of a workspace."),
    HTTP: (
        "Requests that reach no route",
        "Answers of HTTP itself, as `application/problem+json`.",
    ),
}


@dataclass
class Callable:
    """What a definition says of the arguments of its calls."""

    parameters: list[str]
    section: str


@dataclass
class Entry:
    messages: set[str] = field(default_factory=set)
    hints: set[str] = field(default_factory=set)


class Source:
    """All modules, what they define that takes a code, and the strings that they name."""

    def __init__(self, folder: Path) -> None:
        self.modules = [ast.parse(file.read_text()) for file in sorted(folder.rglob("*.py"))]
        self.bases = {
            node.name: [base.attr if isinstance(base, ast.Attribute) else base.id for base in node.bases
                        if isinstance(base, ast.Attribute | ast.Name)]
            for node in self._all(ast.ClassDef)
        }  # fmt: skip
        self.callables: dict[str, list[Callable]] = defaultdict(list)
        for node in self._all(ast.ClassDef, ast.FunctionDef):
            if isinstance(node, ast.ClassDef):
                self._add(node.name, _fields(node), self._section(node.name))
            else:
                arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                names = [each.arg for each in arguments if each.arg not in ("self", "cls")]
                self._add(node.name, names, self._section(_name(node.returns), node.name))

    def kind(self, name: str) -> str:
        """The kind of the error tree that a class belongs to; "" for one that is none."""
        if name in KINDS:
            return name
        return next(filter(None, map(self.kind, self.bases.get(name, []))), "")

    def entries(self) -> dict[str, dict[str, Entry]]:
        """Section → code → what is said."""
        found: dict[str, dict[str, Entry]] = defaultdict(lambda: defaultdict(Entry))
        for name, kind in KINDS.items():
            _ = found[name][kind.default_code]
        for section, code in self._defaults():
            _ = found[section][code]
        for code, message in self._of_http():
            found[HTTP][code].messages.add(message)
        for section, code, message, hint in self._all_said():
            entry = found[section][code]
            entry.messages |= {message} - {""}
            entry.hints |= {hint} - {""}
        return found

    def _all_said(self) -> Iterator[tuple[str, str, str, str]]:
        """What all calls say: those of a module with its constants, those of a function also with
        its variable `code`."""
        for module in self.modules:
            constants = _constants(module)
            for node in ast.walk(module):
                if isinstance(node, ast.Call):
                    yield from self._said(node, constants)
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    calls = [call for call in ast.walk(node) if isinstance(call, ast.Call)]
                    for names in _assigned(node):
                        for call in calls:
                            yield from self._said(call, names)

    def _defaults(self) -> Iterator[tuple[str, str]]:
        """Section and code of each class that says what it takes for a code that is not given."""
        for node in self._all(ast.ClassDef):
            for each in node.body:
                if isinstance(each, ast.Assign) and ast.unparse(each.targets[0]) == "default_code":
                    yield self._section(node.name), _text(each.value, {})

    def _of_http(self) -> Iterator[tuple[str, str]]:
        """The codes of dictionaries whose keys are statuses, and these."""
        for node in self._all(ast.Dict):
            if node.keys and all(map(_is_status, node.keys)):
                for key, value in zip(node.keys, node.values, strict=True):
                    if CODE.fullmatch(code := _text(value, {})):
                        yield code, f"HTTP {ast.literal_eval(key)}."

    def _all(self, *kinds: type[ast.AST]) -> Iterator[ast.AST]:
        for module in self.modules:
            yield from (node for node in ast.walk(module) if isinstance(node, kinds))

    def _add(self, name: str, parameters: list[str], section: str) -> None:
        if "code" in parameters:
            self.callables[name].append(Callable(parameters, section))

    def _section(self, *names: str) -> str:
        for name in names:
            if kind := self.kind(name):
                return kind
            for word, section in (
                ("cause", CAUSE),
                ("notice", NOTICE),
                ("_text", PAGE),
                ("message", PAGE),
            ):
                if word in name.lower():
                    return section
        return PROBLEM

    def _said(
        self, call: ast.Call, constants: dict[str, str]
    ) -> Iterator[tuple[str, str, str, str]]:
        """Section, code, message and hint of a call, once for each code that it may give."""
        name = _name(call.func)
        kind = self.kind(name)
        named = {keyword.arg: keyword.value for keyword in call.keywords}
        # A variable that holds one of the kinds is not followed: its errors stand with the base of
        # them all.
        kind = kind or ("MoorageError" if name == "kind" else "")
        for known in [Callable(["message"], kind)] if kind else self.callables.get(name, []):
            given = {**dict(zip(known.parameters, call.args, strict=False)), **named}
            for code in _codes(given.get("code"), constants):
                # A word without a dash that is no argument `code` by name is another callable's of
                # the same name.
                if "code" in named or "-" in code:
                    message, hint = (_text(given.get(k), constants) for k in ("message", "hint"))
                    if known.section == CAUSE:  # rows of tables, which are filled in by name
                        message, hint = (re.sub(r"\{\w+\}", "…", text) for text in (message, hint))
                    yield known.section, code, message, hint


def _fields(node: ast.ClassDef) -> list[str]:
    """The arguments of a class's calls: those of `__init__`, else its fields."""
    for each in node.body:
        if isinstance(each, ast.FunctionDef) and each.name == "__init__":
            return [argument.arg for argument in (*each.args.args[1:], *each.args.kwonlyargs)]
    return [
        each.target.id
        for each in node.body
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)
    ]


def _name(node: ast.AST | None) -> str:
    """The last word of a dotted name."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _constants(module: ast.Module) -> dict[str, str]:
    return {
        target.id: node.value.value
        for node in module.body
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def _assigned(function: ast.AST) -> Iterator[dict[str, str]]:
    """The variables of each block of a function that has a `code` among them: message and hint
    stand beside it."""
    for node in ast.walk(function):
        for block in (getattr(node, "body", None), getattr(node, "orelse", None)):
            names: dict[str, str] = {}
            codes: list[str] = []
            for each, value in _pairs(block if isinstance(block, list) else []):
                names[_name(each)] = _text(value, {})
                codes = _codes(value, {}) if _name(each) == "code" else codes
            yield from ({**names, "code": code} for code in codes)


def _pairs(block: list[ast.stmt]) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Targets and values of a block's assignments; of `a, b = 1, 2`, each with its own."""
    for statement in block:
        if isinstance(statement, ast.Assign):
            for target in statement.targets:
                if isinstance(target, ast.Tuple) and isinstance(statement.value, ast.Tuple):
                    yield from zip(target.elts, statement.value.elts, strict=True)
                else:
                    yield target, statement.value


def _is_status(node: ast.AST | None) -> bool:
    return (
        isinstance(node, ast.Constant) and isinstance(node.value, int) and 400 <= node.value < 600
    )


def _codes(node: ast.AST | None, constants: dict[str, str]) -> list[str]:
    """One for each branch of a condition."""
    if isinstance(node, ast.IfExp):
        return [*_codes(node.body, constants), *_codes(node.orelse, constants)]
    if isinstance(node, ast.BoolOp):
        return [code for value in node.values for code in _codes(value, constants)]
    text = _text(node, constants)
    return [text] if CODE.fullmatch(text) else []


def _text(node: ast.AST | None, constants: dict[str, str]) -> str:
    """A text as it is written, on one line, with `…` for what is filled in; "" for one that is not
    written there."""
    return " ".join(_raw(node, constants).split())


def _raw(node: ast.AST | None, constants: dict[str, str]) -> str:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=values):
            return "".join(str(v.value) if isinstance(v, ast.Constant) else "…" for v in values)
        case ast.Name(id=name):
            return constants.get(name, "")
        case ast.IfExp(body=body, orelse=orelse):
            return _raw(body, constants) or _raw(orelse, constants)
        case ast.Call(func=ast.Attribute(value=value, attr="format")):
            return re.sub(r"\{\w*\}", "…", _raw(value, constants))
        case ast.BinOp(left=left, right=right, op=ast.Add()):
            both = [_raw(side, constants) for side in (left, right)]
            return "".join(side or "…" for side in both) if any(both) else ""
    return ""


def made() -> str:
    entries = Source(SOURCE).entries()
    lines = []
    for name, kind in sorted(KINDS.items(), key=lambda item: (item[1].exit_code, item[1].status)):
        of_kind = {
            code: entry
            for code, entry in entries[name].items()
            if code != kind.default_code or entry.messages
        }
        lines += [f"### {name}", "", _of_kind(kind), "", *_table(of_kind)]
    for section, (heading, meaning) in SECTIONS.items():
        lines += [f"### {heading}", "", meaning, "", *_table(entries[section])]
    return "\n".join(lines)


def _of_kind(kind: type[errors.MoorageError]) -> str:
    meaning = MEANINGS.get(kind.__name__, "anything else")
    return (
        f"{meaning[0].upper()}{meaning[1:]}. HTTP {kind.status}, exit code {kind.exit_code}; "
        f"the code is `{kind.default_code}` where no other is given."
    )


def _table(entries: dict[str, Entry]) -> list[str]:
    rows = [
        f"| `{code}` | {_cell(entry.messages)} | {_cell(entry.hints)} |"
        for code, entry in sorted(entries.items())
    ]
    return ["| code | what is said | what to do |", "|---|---|---|", *rows, ""]


def _cell(texts: Iterable[str]) -> str:
    shown = sorted(texts)
    more = ["…"] if len(shown) > SHOWN else []
    return " <br> ".join([*shown[:SHOWN], *more]).replace("|", "\\|")
