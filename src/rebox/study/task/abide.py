"""ABIDE: autism or not, from the correlations between 200 regions of a resting brain."""

import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rebox.errors import InvalidData, InvalidOption
from rebox.sample.arrays import read_arrays
from rebox.sample.dataset import Card, Dataset
from rebox.sample.table_file import read_rows
from rebox.sample.task import Task
from rebox.study.task.place import find, missing

CARD = Card(
    title="ABIDE I, preprocessed (CC200)",
    source="Preprocessed Connectomes Project, http://preprocessed-connectomes-project.org/abide",
    licence="CC BY-NC-SA 3.0; research that is not commercial",
    citation=(
        "Craddock et al.: The Neuro Bureau Preprocessing Initiative: open sharing of preprocessed "
        "neuroimaging data and derivatives, Neuroinformatics 2013; Di Martino et al.: The autism "
        "brain imaging data exchange, Molecular Psychiatry 2014"
    ),
    get=(
        "fetch it with nilearn.datasets.fetch_abide_pcp(data_dir=DIR, pipeline='cpac', "
        "band_pass_filtering=True, global_signal_regression=True, derivatives='rois_cc200', "
        "quality_checked=False) and name DIR."
    ),
)
OWN = ("ABIDE_pcp", "abide", "abide/ABIDE_pcp")
PHENOTYPES = "Phenotypic_V1_0b_preprocessed1.csv"
PIPELINE = "cpac/filt_global"
ENDING = "_rois_cc200.1D"
REGIONS = 200
CLASSES = {1: "autism", 2: "control"}  # DX_GROUP


def abide(folder: Path, *, pipeline: str | None = None) -> Dataset:
    """Return a matrix of correlations for every subject, labelled ``autism`` or ``control``.

    Reads what nilearn's ``fetch_abide_pcp`` leaves (``Phenotypic_V1_0b_preprocessed1.csv`` and
    time series in ``cpac/filt_global/``), or an archive ``abide*.npz`` of ``correlation``
    (n, 19900), upper triangles in the order of ``numpy.triu_indices(200, 1)``, and ``dx_group``
    (n,), 1 for autism and 2 for control. Subjects whose time series are not there are passed over.

    Parameters
    ----------
    folder : Path
    pipeline : str or None
        Pipeline and strategy of the time series, as ``cpac/nofilt_noglobal``; None:
        ``cpac/filt_global``.

    Returns
    -------
    Dataset
        Images of shape (n, 200, 200), float32: Pearson correlations, 1 on the diagonal, 0 beside
        regions that are constant.

    Raises
    ------
    InvalidData
        The data set is not there, or a file of it cannot be used.
    InvalidOption
        A pipeline was named, and there is only an archive.
    """
    path = find(folder, OWN, (PHENOTYPES, "abide*.npz"), CARD)
    if path.suffix == ".csv":
        upper, group = _from_series(path, pipeline or PIPELINE)
    elif pipeline is None:
        upper, group = _from_archive(path)
    else:
        raise InvalidOption(f"{path} holds correlations of one pipeline: leave out pipeline.")
    _check_groups(path, group)
    return Dataset(
        _matrices(upper),
        np.array([CLASSES[number] for number in group.tolist()]),
        "abide",
        groups=np.arange(len(group)),  # one scan of each subject
        value_range=(-1.0, 1.0),
        positive="autism",
        card=CARD,
    )


def correlations(series: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return the upper triangle of the Pearson correlations of time series (time points, regions).

    It is (regions * (regions - 1) / 2,) float32, in the order of ``numpy.triu_indices``, and 0
    where a region is constant.
    """
    constant = np.ptp(series, axis=0) == 0
    centred = series - series.mean(axis=0)
    norms = np.sqrt(np.sum(centred**2, axis=0))
    norms[constant] = np.inf
    units = centred / norms
    rows, columns = np.triu_indices(series.shape[1], 1)
    return np.asarray(np.clip(units.T @ units, -1, 1)[rows, columns], dtype=np.float32)


def _from_archive(path: Path) -> tuple[NDArray[np.float32], NDArray[np.integer]]:
    arrays = read_arrays(path, ("correlation", "dx_group"))
    upper, group = arrays["correlation"], arrays["dx_group"]
    expected = (len(group), REGIONS * (REGIONS - 1) // 2)
    if upper.shape != expected or group.ndim != 1:
        raise InvalidData(
            f"{path}: correlation has shape {upper.shape} and dx_group {group.shape}; expected "
            "(n, 19900) and (n,): save upper triangles by numpy.triu_indices(200, 1)."
        )
    upper = upper.astype(np.float32)
    if not (np.abs(upper) <= 1).all():
        raise InvalidData(
            f"{path}: correlation has values that are not from -1 to 1; expected Pearson's "
            "correlations: write 0 for what is not known."
        )
    return upper, group


def _from_series(table: Path, pipeline: str) -> tuple[NDArray[np.float32], NDArray[np.integer]]:
    folder = table.parent / pipeline
    rows = [row for _, row in read_rows(table, ("FILE_ID", "DX_GROUP"))]
    # nilearn puts the files into the folder of the pipeline, the publisher one deeper
    paths = {path.name: path for path in sorted(folder.rglob(f"*{ENDING}"))}
    present = [row for row in rows if f"{row['FILE_ID']}{ENDING}" in paths]
    if not present:
        others = sorted(
            {p.parent.relative_to(table.parent) for p in table.parent.rglob(f"*{ENDING}")}
        )
        hint = f" (pipeline may be {', '.join(o.as_posix() for o in others)})" if others else ""
        raise missing(folder, [f"FILE_ID{ENDING} of {table.name}{hint}"], CARD)
    upper = np.stack([correlations(_series(paths[f"{r['FILE_ID']}{ENDING}"])) for r in present])
    try:
        return upper, np.array([int(row["DX_GROUP"]) for row in present])
    except ValueError as error:
        raise InvalidData(f"{table}: DX_GROUP must be 1 or 2 ({error}): fetch it again.") from error


def _series(path: Path) -> NDArray[np.float64]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # of a file without numbers
            series = np.loadtxt(path, ndmin=2)
    except (OSError, ValueError, UserWarning) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise InvalidData(f"{path} cannot be read ({reason}): fetch it again.") from error
    if series.shape[1] != REGIONS or len(series) < 2 or not np.isfinite(series).all():
        raise InvalidData(
            f"{path} holds {series.shape[0]} time points of {series.shape[1]} regions; expected 2 "
            "or more of 200 regions, all of them finite: fetch it again."
        )
    return series


def _matrices(upper: NDArray[np.float32]) -> NDArray[np.float32]:
    rows, columns = np.triu_indices(REGIONS, 1)
    matrices = np.zeros((len(upper), REGIONS, REGIONS), dtype=np.float32)
    matrices[:, rows, columns] = matrices[:, columns, rows] = upper
    matrices[:, range(REGIONS), range(REGIONS)] = 1
    return matrices


def _check_groups(path: Path, group: NDArray[np.integer]) -> None:
    unknown = sorted(set(group.tolist()) - CLASSES.keys())
    if unknown:
        raise InvalidData(
            f"{path}: the diagnosis of some is {unknown[0]!r}; expected 1 (autism) or 2 (control): "
            "correct or remove them."
        )


TASK = Task(load=abide, card=CARD)
