"""Work that takes longer than a frame: in a thread, its result handed back to the window."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, QTimer, Signal

from stimloop_hw import StimloopError

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

_LOOK_MS = 30


class Background(QObject):
    """One piece of work at a time; a new one replaces what waits.

    Attributes
    ----------
    done : Signal(object)
        What the work returned.
    failed : Signal(str)
        Why there is no result, in a sentence.
    """

    done = Signal(object)
    failed = Signal(str)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._threads = ThreadPoolExecutor(1)
        self._future: Future[Any] | None = None
        self._timer = QTimer(self, interval=_LOOK_MS)
        self._timer.timeout.connect(self._look)

    @property
    def is_busy(self) -> bool:
        """Whether a result is awaited."""
        return self._future is not None

    def start(self, work: Callable[[], object]) -> None:
        """Begin; what was begun before is not handed back any more."""
        if self._future is not None:
            self._future.cancel()
        self._future = self._threads.submit(work)
        self._timer.start()

    def _look(self) -> None:
        future = self._future
        if future is None or not future.done():
            return
        self._future = None
        self._timer.stop()
        try:
            result = future.result()
        except (StimloopError, ValueError, OSError) as problem:
            self.failed.emit(str(problem))
        else:
            self.done.emit(result)
