"""What pictures of a prompt count for, in tokens: by the rules that vendors publish."""

import io
import math

from PIL import Image

LOW_TOKENS, TILE_TOKENS = 85, 170
TILE, SHORT_SIDE, LONG_SIDE = 512, 768, 2048  # pixels
PIXELS_A_TOKEN = 750
UNREADABLE = (0, 0)


def by_tiles(file: bytes, detail: str) -> int:
    """Return OpenAI's count: 85 tokens, and unless ``detail`` is low 170 for each tile of 512."""
    width, height = _size(file)
    if detail == "low" or not width:
        return LOW_TOKENS
    shrunk = min(1.0, LONG_SIDE / max(width, height))
    shrunk = min(shrunk, SHORT_SIDE / min(width, height))
    across, down = (math.ceil(side * shrunk / TILE) for side in (width, height))
    return LOW_TOKENS + TILE_TOKENS * across * down


def by_area(file: bytes) -> int:
    """Return Anthropic's count: a token for 750 pixels."""
    width, height = _size(file)
    return max(1, math.ceil(width * height / PIXELS_A_TOKEN))


def _size(file: bytes) -> tuple[int, int]:
    """Return width and height; what is no picture has none, and is refused later."""
    try:
        with Image.open(io.BytesIO(file)) as picture:
            return picture.size
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return UNREADABLE
