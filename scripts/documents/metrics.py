"""The metrics of every process, by the calls that define them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

SOURCE = Path(__file__).resolve().parents[2] / "src/moorage"
KINDS = ("counter", "gauge", "histogram")
PREFIX = "moorage_"


class Metric(NamedTuple):
    name: str
    kind: str
    labels: tuple[str, ...]
    meaning: str


def found() -> list[Metric]:
    calls = (
        node
        for file in sorted(SOURCE.rglob("*.py"))
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call)
    )
    return sorted({metric for call in calls for metric in _metric(call)})


def _metric(call: ast.Call) -> Iterator[Metric]:
    """The metric that a call defines: of a function that is named for a kind, with name and meaning
    first."""
    function = ast.unparse(call.func).lower()
    kind = next((kind for kind in KINDS if function.endswith(kind)), "")
    texts = [
        arg.value
        for arg in call.args
        if isinstance(arg, ast.Constant) and isinstance(arg.value, str)
    ]
    if kind and len(texts) >= 2 and texts[0].startswith(PREFIX):
        labels = next((arg for arg in call.args if isinstance(arg, ast.Tuple | ast.List)), None)
        yield _of(texts[0], kind, ast.literal_eval(labels) if labels else (), texts[1])


def _of(name: str, kind: str, labels: tuple[str, ...] | list[str], meaning: str) -> Metric:
    """As Prometheus shows it: a counter's name ends with `_total`."""
    shown = f"{name}_total" if kind == "counter" and not name.endswith("_total") else name
    return Metric(shown, kind, tuple(labels), " ".join(meaning.split()).rstrip("."))


def made() -> str:
    lines = []
    by_process: dict[str, list[Metric]] = {}
    for metric in found():
        by_process.setdefault(metric.name.split("_")[1], []).append(metric)
    for process, metrics in by_process.items():
        lines += [
            f"## {process.capitalize()}",
            "",
            "| metric | kind | labels | meaning |",
            "|---|---|---|---|",
        ]
        for metric in metrics:
            labels = ", ".join(f"`{label}`" for label in metric.labels)
            lines.append(f"| `{metric.name}` | {metric.kind} | {labels} | {metric.meaning} |")
        lines.append("")
    return "\n".join(lines)
