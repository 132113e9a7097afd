"""A black box around a black box: nothing reaches the inner one that was not reserved first."""

from rebox.box import BlackBox, Images, Scores
from rebox.meter.budget import Meter, Purpose


class MeteredBox(BlackBox):
    """Charges a meter for every image before the box sees it.

    Parameters
    ----------
    box : BlackBox
        The box that answers.
    meter : Meter
        What is charged.
    purpose : str
        What the images are asked for.
    """

    def __init__(self, box: BlackBox, meter: Meter, purpose: Purpose) -> None:
        self.spec = box.spec
        self._box = box
        self._meter = meter
        self._purpose: Purpose = purpose

    def answer(self, images: Images) -> Scores:
        """Reserve, then let the inner box answer."""
        self._meter.reserve(len(images), self._purpose)
        return self._box.answer(images)
