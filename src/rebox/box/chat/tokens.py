"""Money by the token: what is set aside for a question, what it is expected to cost, what it did.

Set aside is the most that can be billed. A text cannot be more tokens than it has bytes, since
every token stands for one at least; an answer is cut where the question says. How many tokens a
picture is, is each vendor's own affair and partly undocumented: the most of those that are known
at first, and after that the most that was seen, as all pictures of a box have one size.

Not every server heeds the limit of an answer, nor counts as said here. What one says that it has
used is paid in any case, and the most that was seen beyond the bound is set aside from then on.
"""

import math
import threading
from dataclasses import dataclass, field, replace

from rebox.box.reservation import Used
from rebox.box.service import Scout
from rebox.errors import InvalidOption
from rebox.money import MOST_USD, dollars, nano_usd

MILLION = 10**6
AROUND = 64  # tokens that a vendor puts around a question, and a schema's frame
MOST_IMAGE = 10_000  # tokens of a small picture, before one was seen
FRAME, TILE, TILE_SIDE, MOST_TILES = 2833, 5667, 512, 8  # the dearest of those published: OpenAI's
PATCH_SIDE = 14  # pixels of the smallest patch that open models make a token of
LONGEST = 10**7  # tokens that any context holds: a usage of more is none
OVER = 2.0  # times the longest answer that was seen, where a server heeds no limit
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
            if not 0 <= usd <= MOST_USD:
                raise InvalidOption(f"{name} must lie in 0 to {MOST_USD:,}, found {usd:g}.")

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


def is_usage(told: tuple[int, int]) -> bool:
    """Return whether tokens read and written can be: no question is read as none."""
    return 0 < told[0] <= LONGEST and 0 <= told[1] <= LONGEST


def most_of_picture(height: int, width: int, detail: str | None) -> int:
    """Return the most tokens that a picture of so many pixels can be, before one was seen."""
    patches = -(-height // PATCH_SIDE) * -(-width // PATCH_SIDE)
    if detail == "low":
        return max(FRAME, patches)
    tiles = min(MOST_TILES, -(-height // TILE_SIDE) * -(-width // TILE_SIDE))
    return max(MOST_IMAGE, FRAME + TILE * tiles, patches)


@dataclass
class Seen:
    """The most tokens that were seen of a box's questions, by all threads that ask.

    Attributes
    ----------
    most_in : int
        Read for each picture, all that is around it included.
    words : int
        Bytes of words around that.
    over_in : int
        Read of texts beyond their bytes.
    over_out : int
        Written in an answer that was longer than it may be.
    doubted : bool
        Whether the limit goes by another name since then, and may be heeded.
    scout : Scout
    """

    most_in: int = 0
    words: int = 0
    over_in: int = 0
    over_out: int = 0
    doubted: bool = False
    scout: Scout = field(default_factory=Scout)
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def note_pictures(self, used: Used, images: int, beside: int) -> None:
        """Learn from an answer about so many pictures, with so many bytes of words."""
        with self.lock:
            self.words = min(self.words, beside) if self.most_in else beside
            self.most_in = max(self.most_in, -(-used.tokens_in // images))

    def note_texts(self, used: Used, bound: int) -> None:
        """Learn from an answer about texts, of which no more than ``bound`` could be read."""
        with self.lock:
            self.over_in = max(self.over_in, used.tokens_in - bound)

    def note_answer(self, used: Used, limit: int) -> bool:
        """Learn from how long an answer is; return whether it is longer than it may be."""
        over = used.tokens_out > limit
        with self.lock:
            if self.doubted and not over:
                self.over_out = 0
            self.doubted = False
            self.over_out = max(self.over_out, used.tokens_out) if over else self.over_out
        return over

    def doubt(self) -> None:
        """Find out once more, by one question at a time, how long answers are."""
        with self.lock:
            self.doubted, self.scout.known = True, False

    def bound(self, beside: int, images: int, each: int) -> int:
        """Return the most tokens of a question about pictures with so many bytes of words."""
        if not self.most_in:
            return beside + images * each
        more = max(0, beside - self.words)
        return math.ceil(self.most_in * MARGIN) * images + more + AROUND

    def bound_of_texts(self, least: int) -> int:
        """Return the most tokens of a question about texts that has ``least`` by its bytes."""
        return least + math.ceil(self.over_in * MARGIN)

    def bound_of_answer(self, limit: int) -> int:
        """Return the most tokens of an answer that may be ``limit``."""
        return math.ceil(self.over_out * OVER) if self.over_out > limit else limit

    def __getstate__(self) -> dict[str, object]:
        gone = {"lock": None, "scout": None}
        return {name: value for name, value in self.__dict__.items() if name not in gone}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self.scout, self.lock = Scout(known=bool(self.most_in)), threading.Lock()
