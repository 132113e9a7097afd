"""A model that answers nothing at all: it is not asked a thousand times to find that out."""

import threading

MOST = 20  # questions in a row, from the first on, that brought nothing


class Silence:
    """Counts questions that brought no answer until one does; threads may share it."""

    def __init__(self) -> None:
        self._unanswered: int | None = 0  # None: it is over
        self._lock = threading.Lock()

    def end(self) -> None:
        """Note that a question was answered: what follows may fail by chance."""
        self._unanswered = None

    def lasts(self) -> bool:
        """Count a question that was not answered; return whether it has been too many."""
        with self._lock:
            if self._unanswered is None:
                return False
            self._unanswered += 1
            return self._unanswered >= MOST

    # A lock is not copied: whoever gets a copy counts anew.
    def __getstate__(self) -> dict[str, object]:
        return {}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__init__()  # type: ignore[misc] # as if it were new
