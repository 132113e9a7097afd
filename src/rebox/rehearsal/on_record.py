"""A box that knows samples by their ids, asked about their texts: a table says which is whose."""

from pathlib import Path

import numpy as np

from rebox.box import BlackBox, BoxSpec
from rebox.box.spec import Queries, Scores
from rebox.errors import InvalidData, InvalidOption
from rebox.sample.table_file import read_rows


class TextsOnRecord(BlackBox):
    """Answers about a text what a box that is asked by ids has on record of it.

    Blanks around a text do not count: prompts put their own there.

    Parameters
    ----------
    box : BlackBox
        Who is asked by ids, as ``recorded:`` is.
    table : Path
        A CSV with the columns ``id`` and ``text``.

    Raises
    ------
    InvalidOption
        The box is shown samples.
    InvalidData
        The table cannot be read, or has an id that the box does not know.
    """

    def __init__(self, box: BlackBox, table: Path) -> None:
        spec = box.spec
        if spec.takes != "ids":
            raise InvalidOption(
                f"{spec.identity} takes {spec.takes}, and a table of texts says which id each has: "
                "leave it out."
            )
        rows = read_rows(table, ("id", "text"))
        # a text that comes twice has the answer that its last id has
        self._ids = {row["text"].strip(): row["id"] for _, row in rows}
        box.check_ids(np.array(list(self._ids.values())))
        self._box, self._table = box, table.name
        self.spec = BoxSpec(
            identity=f"{spec.identity} by text",
            classes=spec.classes,
            takes="texts",
            height=0,
            width=0,
            channels=0,
            complete=spec.complete,
            sums_to_one=spec.sums_to_one,
            best_only=spec.best_only,
            batch_size=spec.batch_size,
        )

    def answer(self, images: Queries) -> Scores:
        """Return what is on record of texts (n,)."""
        texts = [text.strip() for text in images.tolist()]
        unknown = [text for text in texts if text not in self._ids]
        if unknown:
            raise InvalidData(
                f"{self._table} has no text {unknown[0]!r:.80}; expected one of its "
                f"{len(self._ids):,}: add it with its id, or ask about those alone."
            )
        return self._box.ask(np.array([self._ids[text] for text in texts]))
