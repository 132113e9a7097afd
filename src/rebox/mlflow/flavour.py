"""A fitted model as a model of MLflow's: its ``.rebox`` file, the files of its boxes, no pickle."""

import filecmp
import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import rebox
from rebox.artefact import Artefact
from rebox.box import BoxURI, files_of, is_service
from rebox.box.onnx_external import external_files
from rebox.classifier import Reprogrammer
from rebox.errors import InvalidOption, extra
from rebox.meter import is_server
from rebox.mlflow.job import JobOptions
from rebox.mlflow.pyfunc import PyfuncModel
from rebox.mlflow.signature import PictureForm, signature_of

with extra("mlflow", "a model of MLflow's"):
    import mlflow.artifacts
    import mlflow.pyfunc
    from mlflow.models import Model
    from mlflow.models.model import ModelInfo

FLAVOUR, LOADER = "rebox", "rebox.mlflow"
FOLDER, FILE = "rebox", "model.rebox"
PINNED = (  # what a probability goes through; others may be newer
    "numpy",
    "onnxruntime",
    "pandas",
    "pillow",
    "safetensors",
    "scikit-learn",
    "scipy",
    "mlflow-skinny",
)


def save_model(
    model: Reprogrammer,
    path: str | Path,
    *,
    pictures: PictureForm = "bytes",
    mlflow_model: Model | None = None,
    pip_requirements: Sequence[str] | None = None,
    extra_pip_requirements: Sequence[str] | None = None,
    **job: Any,
) -> None:
    """Write a fitted model as one of MLflow's to the folder ``path``.

    Nobody is asked: there is no input example, as MLflow would have it predicted.

    Parameters
    ----------
    model : Reprogrammer
    path : str or path-like
        A folder that is not there yet, or is empty.
    pictures : {"bytes", "path"} or sequence of int
        For a model of pictures: whether a sample is the bytes of an image file (column
        ``picture``), the path of one (``path``; whoever asks a server names files of the server's),
        or a float32 array of this shape (h, w[, channels]) in [0, 1] or the model's value range.
    mlflow_model : mlflow.models.Model or None
        What MLflow adds to.
    pip_requirements, extra_pip_requirements : sequence of str or None
        In place of, and beside, those of `requirements`.
    **job
        The fields of `JobOptions`: ``budget``, ``max_usd``, ``journal``, ``account``, ``box``,
        ``when_spent``, ``uncapped``. Whoever loads the model may say otherwise by
        ``model_config=``.

    Raises
    ------
    NotFitted
        There is no fitted model.
    InvalidOption
        An option is none, a box was made in Python, or two files have the same name.
    """
    model._check_fitted()
    options = JobOptions.read(job)
    described = Model() if mlflow_model is None else mlflow_model
    described.add_flavor(FLAVOUR, rebox_version=rebox.__version__, data=f"data/{FOLDER}")
    pins = requirements(model.artefact_, options) if pip_requirements is None else pip_requirements
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made) / FOLDER
        folder.mkdir()
        model.save(folder / FILE)
        for name, file in _files(model.artefact_, options):
            _put(file, folder / name)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*An input example was not provided")
            mlflow.pyfunc.save_model(
                str(path),
                loader_module=LOADER,
                data_path=str(folder),
                mlflow_model=described,
                signature=signature_of(model.artefact_, pictures),
                pip_requirements=[*pins, *(extra_pip_requirements or ())],
                model_config=options.config(),
            )


def log_model(
    model: Reprogrammer,
    name: str = "model",
    *,
    registered_model_name: str | None = None,
    **saving: Any,
) -> ModelInfo:
    """Log a fitted model to the active run of MLflow, or to a new one.

    Parameters
    ----------
    model : Reprogrammer
    name : str
    registered_model_name : str or None
        Of the registered model that it becomes a version of.
    **saving
        As for `save_model`.
    """
    logged: ModelInfo = Model.log(
        artifact_path=None,
        flavor=sys.modules[LOADER],
        name=name,
        registered_model_name=registered_model_name,
        model=model,
        **saving,
    )
    return logged


def load_model(model_uri: str | Path, **options: Any) -> Reprogrammer:
    """Return the model at a path or URI of MLflow's, as ``models:/digits/1``, as rebox's own.

    Parameters
    ----------
    model_uri : str or path-like
    **options
        As for `rebox.Reprogrammer.load`.

    Raises
    ------
    InvalidOption
        It is a model of another flavour.
    """
    folder = Path(mlflow.artifacts.download_artifacts(artifact_uri=str(model_uri)))
    flavours = Model.load(str(folder)).flavors
    if FLAVOUR not in flavours:
        raise InvalidOption(
            f"{model_uri} is a model of {', '.join(flavours)}; expected one that "
            "rebox.mlflow.save_model or log_model wrote."
        )
    return Reprogrammer.load(folder / flavours[FLAVOUR]["data"] / FILE, **options)


def load_pyfunc(path: str, model_config: dict[str, Any] | None = None) -> PyfuncModel:
    """Return what MLflow runs, given where its data lie and how they are paid for."""
    options = JobOptions.read(model_config or {})
    return PyfuncModel(options.open(Path(path) / FILE), options.when_spent)


def requirements(artefact: Artefact, options: JobOptions) -> list[str]:
    """Return pip's requirements: this rebox with its extras, and what a probability goes through.

    They are pinned to what is installed here, so that the probabilities are the same elsewhere.
    """
    extras = {"mlflow", *_extras(artefact, options)}
    pins = [f"{name}=={version(name)}" for name in PINNED]
    return [f"rebox[{','.join(sorted(extras))}]=={rebox.__version__}", *pins]


def _extras(artefact: Artefact, options: JobOptions) -> Iterator[str]:
    uris = _uris(artefact, options)
    if options.journal is True or any(map(is_service, uris)):
        yield "services"
    if isinstance(options.journal, str) and is_server(options.journal):
        yield "postgres"
    if any(BoxURI.parse(uri).scheme == "torch" for uri in uris):
        yield "torch"
    if any(BoxURI.parse(uri).options.get("runtime") == "openvino" for uri in uris):
        yield "openvino"


def _uris(artefact: Artefact, options: JobOptions) -> list[str]:
    """Return how the boxes that a model asks are opened.

    Raises
    ------
    InvalidOption
        One was made in Python.
    """
    if options.box:
        return list(options.box)
    asked = sorted({question.box for question in artefact.model.questions})
    records = [artefact.boxes[place] for place in asked]
    nameless = next((one for one in records if one.uri is None), None)
    if nameless is not None:
        raise InvalidOption(
            f"the box {nameless.identity} was made in Python, and no other process can open it: "
            "fit with one that a URI names, as an ONNX file or a service."
        )
    return [one.uri for one in records if one.uri]


def _files(artefact: Artefact, options: JobOptions) -> Iterator[tuple[str, Path]]:
    """Yield the files that boxes and encoder need, by what they are called beside the model."""
    for uri in [*_uris(artefact, options), *_encoders(artefact)]:
        for file in files_of(uri):
            yield file.name, file
            if file.suffix == ".onnx":
                yield from ((name, file.parent / name) for name in external_files(file))


def _encoders(artefact: Artefact) -> Iterator[str]:
    local = artefact.model.local
    encoder = None if local is None else local.encoder
    if encoder is None:
        return
    if encoder.uri is None:
        raise InvalidOption(
            f"the encoder {encoder.identity} was made in Python, and no other process can open it: "
            "fit with one that a URI names, as an ONNX file."
        )
    yield encoder.uri


def _put(file: Path, target: Path) -> None:
    """Copy ``file``, unless it is there already; refuse another of the same name."""
    if target.exists() and not filecmp.cmp(file, target, shallow=False):
        raise InvalidOption(
            f"two files of the model's boxes are called {target.name}, and lie in one folder here: "
            "rename one, and fit again."
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, target)
