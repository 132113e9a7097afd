"""The box of the demo: the digit recogniser that ``scripts/make_digits.py`` has made."""

from pathlib import Path

from rebox.box.onnx import OnnxBox
from rebox.errors import InvalidOption

PATH = Path(__file__).with_name("digits.onnx")
PRICE_USD = 0.002  # per query: $2 per 1000, what a service asks


def open_digits() -> OnnxBox:
    """Return the digit recogniser: 16 x 16 grey images in, 10 scores out, in the order 0 to 9.

    It runs on this machine and costs nothing; its price says what a service would have charged.
    """
    box = OnnxBox(PATH, price_usd=PRICE_USD)
    box.uri = "demo:digits"  # so that a saved model finds its box again, wherever that is installed
    return box


def open_demo(target: str) -> OnnxBox:
    """Return the box of the URI ``demo:digits``; raise `InvalidOption` for any other target."""
    if target != "digits":
        raise InvalidOption(f"the demo's only box is demo:digits, found demo:{target}.")
    return open_digits()
