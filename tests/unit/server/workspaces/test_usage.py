"""What a container's control group says of what it uses."""

from __future__ import annotations

import pytest

from moorage.server.workspaces.usage import understood

V2 = """memory 209715200 104857600 536870912
quota 150000 100000
killed 2
cpu 5000000 100.00
cpu 5250000 100.50
disk 1000 4000
"""
V1 = """memory 209715200 104857600 9223372036854771712
quota -1 100000
killed 0
cpu 5000000 100.00
cpu 5000000 100.50
"""


def test_with_limits() -> None:
    """Cores over half a second, memory without what can be taken away, the limits, and how often a
    program was ended for want of memory."""
    found = understood("main", V2)
    assert (found.cpu, found.cpu_limit) == (500, 1500)
    assert (found.memory, found.memory_limit) == (100 << 20, 512 << 20)
    assert (found.out_of_memory, found.unknown) == (2, "")
    assert (found.disk_used, found.disk_total) == (1000 << 10, 4000 << 10)


@pytest.mark.parametrize("said", [V1, V2.replace("536870912", "max").replace("150000", "max")])
def test_without_limits(said: str) -> None:
    """`max`, -1 and numbers beyond any machine are no limits."""
    found = understood("main", said)
    assert (found.cpu_limit, found.memory_limit) == (None, None)
    assert found.memory == 100 << 20


@pytest.mark.parametrize(
    "said",
    [
        "",
        "sh: not found",
        "memory\ncpu\ncpu\n",
        V2.replace("cpu 5", "cpu x"),
        "\n".join(V2.split("\n")[:3]),
    ],
)
def test_what_says_nothing(said: str) -> None:
    """It is not known, and that is said: no figure is made up."""
    found = understood("main", said)
    assert (found.cpu, found.memory) == (None, None)
    assert found.unknown
