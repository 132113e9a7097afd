"""Tests that ship with the package: supply a fixture, inherit them."""

from rebox.testing.box import BoxContract
from rebox.testing.ids import IdBoxContract
from rebox.testing.search import SearchContract
from rebox.testing.texts import TextBoxContract

__all__ = ["BoxContract", "IdBoxContract", "SearchContract", "TextBoxContract"]
