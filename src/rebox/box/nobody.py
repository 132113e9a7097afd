"""Nobody: what stands for the box where none is asked."""

from rebox.box.contract import BlackBox
from rebox.box.spec import BoxSpec, Images, Scores
from rebox.errors import BoxError

NOBODY = "nobody"


class Nobody(BlackBox):
    """A box that is never asked, so that a fit without one needs no forks; it costs nothing."""

    def __init__(self) -> None:
        self.spec = BoxSpec(identity=NOBODY, classes=("no", "answer"), height=1, width=1)

    def answer(self, images: Images) -> Scores:
        """Raise `BoxError`."""
        raise BoxError(f"{len(images)} images were put to nobody: name a box.")
