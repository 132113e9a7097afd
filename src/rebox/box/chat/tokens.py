"""Money by the token: what is set aside for a question, what it is expected to cost, what it did.

Set aside is the most that can be billed. A text cannot be more tokens than it has bytes, since
every token stands for one at least; an answer is cut where the question says. How many tokens a
picture is, is each vendor's own affair and partly undocumented: `MOST_IMAGE` at first, and after
that the most that was seen, as all pictures of a box have one size.
"""

import math
import threading
from dataclasses import dataclass, field, replace

from rebox.box.reservation import Used
from rebox.errors import InvalidOption
from rebox.money import dollars, nano_usd

MILLION = 10**6
AROUND = 64  # tokens that a vendor puts around a question, and a schema's frame
MOST_IMAGE = 10_000  # tokens of one picture, before one was seen
MARGIN = 1.02  # of the most that was seen: a picture's tokens may be rounded up
BYTES_EACH = 4  # of a token, in the mean of many languages


@dataclass(frozen=True, kw_only=True)
class TokenPrice:
    """US dollars for a million tokens, as somebody has stated them.

    Attributes
    ----------
    usd_in, usd_out : float
        Of tokens that are read, and that are written.
    source, as_of : str
        Who states it, and when; empty: the user.
    """

    usd_in: float
    usd_out: float
    source: str = ""
    as_of: str = ""

    def __post_init__(self) -> None:
        for name, usd in (("usd_per_m_in", self.usd_in), ("usd_per_m_out", self.usd_out)):
            if not 0 <= usd < math.inf:
                raise InvalidOption(f"{name} must be 0 or more, found {usd}.")

    def nano_usd(self, tokens_in: int, tokens_out: int) -> int:
        """Return what so many tokens cost, in 1e-9 US dollars, rounded up."""
        nano = tokens_in * nano_usd(self.usd_in) + tokens_out * nano_usd(self.usd_out)
        return -(-nano // MILLION)

    def times(self, share: float) -> "TokenPrice":
        """Return a share of the price, as it is paid for batches."""
        return replace(self, usd_in=self.usd_in * share, usd_out=self.usd_out * share)

    def words(self, tokens_in: int, tokens_out: int) -> str:
        """Return what a query of so many tokens costs, by what, in a sentence."""
        source = f" ({self.source}, {self.as_of})" if self.source else ""
        return (
            f"a query is taken for {tokens_in:,} tokens read and {tokens_out:,} written, at "
            f"{dollars(self.usd_in)} and {dollars(self.usd_out)} a million{source}; tokens_in= and "
            "tokens_out= tell better."
        )

    def usd(self, tokens_in: int, tokens_out: int) -> float:
        """Return what so many tokens cost in US dollars."""
        return self.nano_usd(tokens_in, tokens_out) / 10**9


def tokens_of(text: str) -> int:
    """Return about how many tokens a text is."""
    return -(-len(text.encode()) // BYTES_EACH)


@dataclass
class Seen:
    """The most tokens that were seen of a question's pictures, by all threads that ask."""

    most_in: int = 0  # for each picture, all that is around it included
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def note(self, used: Used, images: int) -> None:
        """Learn from an answer about so many pictures."""
        with self.lock:
            self.most_in = max(self.most_in, -(-used.tokens_in // images))

    def bound(self, beside: int, images: int) -> int:
        """Return the most tokens of a question about pictures with so many bytes of words."""
        if not self.most_in:
            return beside + images * MOST_IMAGE
        return math.ceil(self.most_in * MARGIN) * images + AROUND

    def __getstate__(self) -> dict[str, int]:
        return {"most_in": self.most_in}

    def __setstate__(self, state: dict[str, int]) -> None:
        self.most_in, self.lock = state["most_in"], threading.Lock()
