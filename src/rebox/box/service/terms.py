"""How a service may be asked."""

from dataclasses import dataclass

from rebox.errors import InvalidOption


@dataclass(frozen=True, kw_only=True)
class Terms:
    """How a service may be asked.

    Parameters
    ----------
    in_flight : int
        Most requests under way at once.
    per_second : float or None
        Most requests in a second; None: as fast as they are answered.
    burst : int or None
        Most requests at once after a pause; None: those of one second.
    timeout_s : float
        Longest time for a send, from the connection to the last byte of its answer.
    attempts : int
        Most sends of one question, where a fault allows for another try.
    longest_wait_s : float
        A service that asks to wait for longer ends the run.
    back_off_s : float
        Wait before the second try; it doubles with each further one, up to 30 s.
    body_limit : int
        Most bytes in an answer, unpacked.
    """

    in_flight: int = 4
    per_second: float | None = None
    burst: int | None = None
    timeout_s: float = 60.0
    attempts: int = 5
    longest_wait_s: float = 120.0
    back_off_s: float = 0.5
    body_limit: int = 64 * 2**20

    def __post_init__(self) -> None:
        for name in ("in_flight", "burst", "attempts", "body_limit"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InvalidOption(f"{name} must be at least 1, found {value}.")
        for name in ("timeout_s", "per_second"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise InvalidOption(f"{name} must be above 0, found {value}.")
        if not min(self.back_off_s, self.longest_wait_s) >= 0:
            raise InvalidOption("back_off_s and longest_wait_s must be 0 or more.")
