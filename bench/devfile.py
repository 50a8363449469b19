"""The devfile engine: the public registry's devfiles, the largest devfile, hostile ones, and the
import.

    python bench/devfile.py

Times are the processor's own, which says what they are on a machine that does nothing else
meanwhile. Reads the registry's data, which `tests/published.py` finds.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

import hostile
from report import record

from moorage.devfile import flatten, parse
from moorage.documents.limits import MAX_BYTES
from moorage.resolvers import RegistryFolder

ROUNDS = 5
SECONDS, MEGABYTES = 1.0, 200.0
"""What any input may take, of the processor and of memory."""
IMPORT = (
    "import time; t = time.process_time(); import moorage.devfile; print(time.process_time() - t)"
)
COMPONENT = """\
- name: c{number}
  attributes: {{note: x}}
  container:
    image: registry.example.com/team/image-{number}:latest
    memoryLimit: 512Mi
    env:
    - name: NUMBER
      value: '{number:0740}'
    endpoints:
    - name: e{number}
      targetPort: {number}
"""


def registry_files() -> list[bytes]:
    return [file.read_bytes() for file in sorted(hostile.REGISTRY.rglob("devfile.yaml"))]


def per_devfile() -> tuple[float, float]:
    """Milliseconds to parse, check and flatten one devfile of the registry: median and the slowest
    one's best."""
    resolver = RegistryFolder(hostile.REGISTRY)
    best = []
    for text in registry_files():
        times = []
        for _ in range(ROUNDS):
            started = time.process_time()
            flatten(parse(text), resolver)
            times.append(time.process_time() - started)
        best.append(min(times) * 1000)
    return statistics.median(best), max(best)


def largest() -> tuple[float, int]:
    """Seconds for a valid devfile of nearly 3 MB and nearly as many values as are taken, and its
    bytes."""
    head = "schemaVersion: 2.2.0\ncomponents:\n"
    one = len(COMPONENT.format(number=6000))
    text = head + "".join(
        COMPONENT.format(number=number) for number in range(1, (MAX_BYTES - 100) // one)
    )
    times = []
    for _ in range(3):
        started = time.process_time()
        flatten(parse(text))
        times.append(time.process_time() - started)
    return min(times), len(text)


def importing() -> float:
    """Milliseconds that `import moorage.devfile` takes in a fresh interpreter: the median of
    several."""
    run = [sys.executable, "-c", IMPORT]
    times = [
        float(subprocess.run(run, capture_output=True, check=True).stdout) * 1000 for _ in range(7)
    ]
    return statistics.median(times)


def worst() -> tuple[int, float, float, list[str]]:
    """How many hostile inputs there are, the most seconds and MB that one takes, and which missed a
    limit."""
    seconds = megabytes = 0.0
    missed = []
    count = 0
    for name, text in hostile.inputs():
        cost = hostile.cost(name, text)
        if cost.seconds > SECONDS / 2:  # this machine may be busy
            cost = min(cost, hostile.cost(name, text), key=lambda cost: cost.seconds)
        count += 1
        seconds, megabytes = max(seconds, cost.seconds), max(megabytes, cost.megabytes)
        if cost.seconds >= SECONDS or cost.megabytes >= MEGABYTES:
            missed.append(name)
    return count, seconds, megabytes, missed


def main() -> int:
    if hostile.published.DATA is None:
        print(
            f"The devfile engine was not measured: set {hostile.published.VARIABLE} to the published data."
        )
        return 1
    median, slowest = per_devfile()
    seconds, size = largest()
    imported = importing()
    count, longest, most, missed = worst()
    for name in missed:
        print(f"beyond a limit: {name}")
    held = [
        record("devfile: parse, check, flatten; median", median, "ms", "below 3", holds=median < 3),
        record(
            "devfile: parse, check, flatten; slowest", slowest, "ms", "below 15", holds=slowest < 15
        ),
        record(f"devfile: {size / 1e6:.1f} MB", seconds, "s", "below 2", holds=seconds < 2),
        record("devfile: import", imported, "ms", "below 150", holds=imported < 150),
        record(
            f"devfile: the worst of {count} hostile inputs of 3 MB",
            longest,
            "s",
            f"below {SECONDS:g}",
            holds=longest < SECONDS,
        ),
        record(
            f"devfile: the largest of {count} hostile inputs of 3 MB",
            most,
            "MB",
            f"below {MEGABYTES:g}",
            holds=most < MEGABYTES,
        ),
    ]
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
