"""Doors: what is known by name, ours and what other packages add by an entry point.

What ships with rebox is listed by where it stands, ``module:object``, and imported only when it is
asked for, so that it is found from a bare source tree and no other package can take its place.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from rebox.errors import InvalidOption


@dataclass(frozen=True)
class Door(Mapping[str, Any]):
    """What is known by name under one group of entry points: a mapping that loads what it is asked.

    Parameters
    ----------
    group : str
        Of the entry points that other packages add, as ``rebox.boxes``.
    noun : str
        What errors call one of them, as ``kind of box``.
    own : mapping of str to str
        What ships with rebox: name to ``module:object``.
    """

    group: str
    noun: str
    own: Mapping[str, str] = field(default_factory=dict)

    def points(self) -> dict[str, EntryPoint]:
        """Return where each known name leads."""
        added = {point.name: point for point in entry_points(group=self.group)}
        return {name: EntryPoint(name, at, self.group) for name, at in self.own.items()} | {
            name: point for name, point in added.items() if name not in self.own
        }

    def __contains__(self, name: object) -> bool:
        return name in self.own or name in self.points()

    def __iter__(self) -> Iterator[str]:
        return iter(self.points())

    def __len__(self) -> int:
        return len(self.points())

    def __getitem__(self, name: str) -> Any:
        """Return what ``name`` stands for.

        Raises
        ------
        InvalidOption
            Nothing has that name, or the package that brings it cannot be imported.
        """
        points = self.points()
        if name not in points:
            known = ", ".join(sorted(points))
            raise InvalidOption(f"no {self.noun} is called {name!r}; known are {known}.")
        try:
            return points[name].load()
        except (ModuleNotFoundError, AttributeError) as error:
            raise InvalidOption(
                f"the {self.noun} {name!r} ({points[name].value}) cannot be imported: {error}; "
                "install or upgrade the package that brings it."
            ) from error
