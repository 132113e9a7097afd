"""The box of the demo: the digit recogniser that ships with rebox, made by ``make_digits.py``."""

from pathlib import Path

from rebox.box.onnx import OnnxBox

PATH = Path(__file__).with_name("digits.onnx")
PRICE_USD = 0.002  # per query: $2 per 1000, what a service asks


def open_digits() -> OnnxBox:
    """Return the digit recogniser: 16 x 16 grey images in, 10 scores out, in the order 0 to 9.

    It runs on this machine and costs nothing; its price says what a service would have charged.

    Raises
    ------
    BoxError
        The file is missing or damaged.
    """
    box = OnnxBox(PATH, price_usd=PRICE_USD)
    box.uri = f"onnx:{PATH}?price_usd={PRICE_USD}"  # so that a saved model finds its box again
    return box
