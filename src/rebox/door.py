"""Doors: what is known by name, ours and what other packages add by an entry point.

What ships with rebox is listed by where it stands, ``module:object``, and imported only when it is
asked for, so that it is found from a bare source tree and no other package can take its place.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from rebox.errors import InvalidOption
from rebox.option import unknown


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

    def _point(self, name: str) -> EntryPoint | None:
        """Return where a name leads; the metadata of all packages is read for others' alone."""
        if name in self.own:
            return EntryPoint(name, self.own[name], self.group)
        return next(iter(entry_points(group=self.group, name=name)), None)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._point(name) is not None

    def __iter__(self) -> Iterator[str]:
        added = {point.name for point in entry_points(group=self.group)}
        yield from self.own
        yield from sorted(added - set(self.own))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def get(self, name: str, default: Any = None) -> Any:
        """Return what ``name`` stands for, or ``default`` where nothing has that name."""
        if name in self:
            return self[name]
        return default

    def __getitem__(self, name: str) -> Any:
        """Return what ``name`` stands for.

        Raises
        ------
        InvalidOption
            Nothing has that name, or the package that brings it cannot be imported.
        """
        point = self._point(name)
        if point is None:
            raise unknown(self.noun, name, self)
        try:
            return point.load()
        except (ModuleNotFoundError, AttributeError) as error:
            raise InvalidOption(
                f"the {self.noun} {name!r} ({point.value}) cannot be imported: {error}; "
                "install or upgrade the package that brings it."
            ) from error
