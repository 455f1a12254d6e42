"""Cells on a cluster: Dask distributed, where one machine is not enough."""

from __future__ import annotations

from concurrent.futures import CancelledError
from contextlib import contextmanager
from typing import TYPE_CHECKING

from stimloop.errors import Violation
from stimloop_lab.ledger import build, versions
from stimloop_lab.trial import TrialError
from stimloop_lab.workforce import Workforce

if TYPE_CHECKING:
    from collections.abc import Iterator

    from distributed import Client

PATIENCE_S = 30
"""For the scheduler to answer, and for its first worker to come, s."""


@contextmanager
def cluster(url: str) -> Iterator[Workforce]:
    """The workers of a Dask scheduler; those that come later work as well.

    A cell whose worker dies is run again by another. The workers have to be of this build,
    since another one could compute something else.

    Parameters
    ----------
    url : str
        ``tcp://HOST:PORT``, or what else `distributed.Client` takes.

    Raises
    ------
    TrialError
        If Dask is not installed, the scheduler is not there, has no workers or workers of
        another build, or vanishes.
    """
    try:
        from distributed import Client, KilledWorker  # noqa: PLC0415  an extra
    except ImportError:
        raise _refused(
            "Dask distributed, which is not installed",
            "Dask, or the processes of this machine",
            "pip install 'stimloop[cluster]', or leave --scheduler out",
        ) from None
    try:
        client = Client(url, timeout=PATIENCE_S, set_as_default=False)
    except (OSError, ValueError) as problem:
        raise _refused(
            f"{url}, where no scheduler answers",
            "the URL of a running Dask scheduler",
            "start one (dask scheduler), check host and port, or leave --scheduler out",
        ) from problem
    with client:
        try:
            _check(client, url)
            yield Workforce(
                client.get_executor(pure=False), lambda: sum(client.nthreads().values())
            )
        except KilledWorker as problem:
            raise _refused(
                f"a cell whose workers die, one after another ({problem})",
                "workers with memory enough",
                "look at the workers' logs and give the command again: finished cells are kept",
            ) from problem
        except (CancelledError, OSError) as problem:
            raise _refused(
                f"{url}, which has vanished",
                "a scheduler that lives as long as the trial",
                "start it again and give the command again: finished cells are kept",
            ) from problem


def _check(client: Client, url: str) -> None:
    """Refuse to begin without workers, or with workers that are not ours."""
    try:
        client.wait_for_workers(1, timeout=PATIENCE_S)
    except TimeoutError as problem:
        raise _refused(
            f"{url}, which has no workers", "at least one", f"start one (dask worker {url})"
        ) from problem
    for worker, found in client.run(_identity).items():
        if found != _identity():
            raise _refused(
                f"the worker {worker} of another build",
                "workers with this very stimloop, Python and NumPy",
                "install the same there",
            )


def _identity() -> tuple[str, dict[str, str]]:
    return build(), versions()


def _refused(asked: str, allowed: str, remedy: str) -> TrialError:
    return TrialError((Violation("scheduler", asked, allowed, remedy),))
