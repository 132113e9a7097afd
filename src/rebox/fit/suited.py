"""Whether samples are known by what boxes take, and what a model looks at; told before it costs."""

from rebox.box import BlackBox
from rebox.errors import InvalidData, InvalidOption
from rebox.fit.model import Model
from rebox.fit.session import Session
from rebox.recipe import Way
from rebox.sample import SampleLoader

UNSEEN = "the samples are known by their ids alone"
SHOW = "hand over their images, or a CSV whose column path (path_column=) names their files"
BESIDE = "hand over rebox.Samples(images=..., ids=...), or a CSV with the columns path and id"
NAME = "hand over rebox.Samples(ids=...), or a CSV with a column id"
SAY = "hand over a list of texts, rebox.Samples(texts=...), or a CSV with a column text"


def check_fit(way: Way, session: Session) -> None:
    """Refuse samples, or a way, that do not go with a box, before it is asked.

    Raises
    ------
    InvalidData
        Samples are not known by what a box takes, or it has no answer to one of them.
    InvalidOption
        The way dresses images for a box, and the box takes texts or ids; or nobody is asked, and
        nothing can be seen.
    """
    samples = session.samples
    for box in session.boxes if way.asks else ():
        check_asked(box, samples)
        if way.dresses and box.spec.takes != "images":
            how = "takes texts" if box.spec.takes == "texts" else "is asked by ids"
            raise InvalidOption(
                f"the recipe moves a program over what is shown to a box, and {box.spec.identity} "
                f"{how}: use the recipe auto or map."
            )
    if session.encoder is not None:
        session.encoder.check_reads(texts=samples.texts is not None)
    if samples.shows:
        return
    if session.encoder is not None:
        raise InvalidOption(f"an encoder looks at samples, and {UNSEEN}: {BESIDE}.")
    if not way.asks or session.queries_per_prediction == 0:
        raise InvalidOption(f"a model that asks nobody looks at samples, and {UNSEEN}: {SHOW}.")


def check_predictions(model: Model, boxes: tuple[BlackBox, ...], samples: SampleLoader) -> None:
    """Raise `InvalidData` where samples are not known by what a model's boxes and itself take."""
    if model.local is not None and not samples.shows:
        raise InvalidData(f"the model looks at what it asks about, and {UNSEEN}: {BESIDE}.")
    for place in sorted({question.box for question in model.questions}):
        check_asked(boxes[place], samples)


def check_asked(box: BlackBox, samples: SampleLoader) -> None:
    """Raise `InvalidData` where ``box`` cannot be asked about one of ``samples``; ask nobody."""
    name = box.spec.identity
    if box.spec.takes == "images":
        if samples.texts is not None:
            raise InvalidData(f"{name} takes images, and the samples are texts: {SHOW}.")
        if samples.images is None:
            raise InvalidData(f"{name} takes images, and {UNSEEN}: {SHOW}.")
    elif box.spec.takes == "texts":
        if samples.texts is None:
            what = UNSEEN if samples.images is None else "the samples are none"
            raise InvalidData(f"{name} takes texts, and {what}: {SAY}.")
    elif samples.ids is None:
        raise InvalidData(f"{name} is asked by ids, and samples have none: {NAME}.")
    else:
        box.source.check_ids(samples.ids)
