"""GTSRB: traffic signs of 43 classes, as a camera in a car saw them."""

import re
from pathlib import Path

import numpy as np

from rebox.sample.dataset import Card, Dataset
from rebox.sample.folders import image_files
from rebox.sample.images import ImageFiles
from rebox.sample.task import Task
from rebox.study.task.place import missing

CARD = Card(
    title="GTSRB, German Traffic Sign Recognition Benchmark",
    source="Institut für Neuroinformatik, Ruhr-Universität Bochum, https://benchmark.ini.rub.de",
    licence="none stated by the publisher, who asks to be cited",
    citation=(
        "Stallkamp, Schlipsing, Salmen and Igel: Man vs. computer: benchmarking machine learning "
        "algorithms for traffic sign recognition, Neural Networks 2012"
    ),
    get=(
        "get GTSRB_Final_Training_Images.zip by way of https://benchmark.ini.rub.de, unpack it, "
        "and name the folder that GTSRB/ lies in."
    ),
)
PLACES = (".", "gtsrb", "GTSRB")
INSIDE = (".", "GTSRB/Final_Training/Images", "Final_Training/Images", "GTSRB/Training", "Training")
TRACK = re.compile(r"(\d+)_\d+")  # GTSRB/Final_Training/Images/00014/00007_00029.ppm


def gtsrb(folder: Path) -> Dataset:
    """Return the training images of the traffic signs, labelled ``00`` to ``42``.

    Reads a folder for each class, named by its number. In the publisher's own the names of the
    files say which track they are from: 30 images of one sign, as the car comes nearer, and one
    subject. Files named otherwise say nothing, and each is its own subject: near copies of one
    sign may then come to stand on both sides of a split.

    Raises
    ------
    InvalidData
        The data set is not there.
    """
    classes = _classes(folder)
    pairs = [(path, f"{int(place.name):02d}") for place in classes for path in image_files(place)]
    paths, names = [path for path, _ in pairs], [name for _, name in pairs]
    tracks = [TRACK.fullmatch(path.stem) for path in paths]
    known = [f"{name}/{t[1]}" for name, t in zip(names, tracks, strict=True) if t is not None]
    return Dataset(
        ImageFiles(paths),
        np.array(names),
        "gtsrb",
        groups=np.array(known) if len(known) == len(paths) else None,
        card=CARD,
    )


def _classes(folder: Path) -> list[Path]:
    for place in PLACES:
        for inside in INSIDE:
            root = folder / place / inside
            if root.is_dir():
                folders = sorted(p for p in root.iterdir() if p.name.isdigit() and p.is_dir())
                if folders:
                    return folders
    raise missing(folder, ["a folder for each class, 00 to 42 or 00000 to 00042"], CARD)


TASK = Task(load=gtsrb, card=CARD)
