"""What the API server refuses becomes what the port promises: a `RuntimeFault`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from moorage.agent.runtimes.kubernetes import causes
from moorage.agent.runtimes.port import RuntimeFault
from moorage.contract import Cause
from moorage.kernel.errors import MoorageError, NotFound


@contextmanager
def faults(doing: str) -> Iterator[None]:
    """Of several errors at the same time, the one that says most: final, any fault, whatever there is."""
    try:
        yield
    except (RuntimeFault, NotFound):
        raise
    except MoorageError as error:
        raise fault_of(doing, error) from error
    except BaseExceptionGroup as group:
        leaves = [
            fault_of(doing, leaf) if isinstance(leaf, MoorageError) else leaf for leaf in _leaves(group)
        ]
        known = [leaf for leaf in leaves if isinstance(leaf, RuntimeFault)]
        raise next((f for f in known if f.final), known[0] if known else leaves[0]) from group


def fault_of(doing: str, error: MoorageError) -> RuntimeFault:
    if isinstance(error, RuntimeFault):
        return error
    verdict = causes.of_error(doing, error)
    return RuntimeFault(verdict.cause, final=verdict.final)


def cause_of(error: MoorageError) -> Cause:
    return Cause(code=error.code, message=error.message, hint=error.hint)


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    found: list[BaseException] = []
    for error in group.exceptions:
        found += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found
