"""A white box from its address, as boxes are opened."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from rebox.box import BOXES, BoxURI, LimitedBox, Preprocess
from rebox.box.classes import read_labels
from rebox.box.preprocess import PreprocessOptions
from rebox.errors import BoxError, InvalidOption, extra
from rebox.option import Size, read_options
from rebox.study.baseline.whitebox import WhiteBox, synthetic_batch

with extra("torch", "a white box"):
    from rebox.box.torch import ModuleOptions


def open_whitebox(uri: str) -> WhiteBox:
    """Open the torch module behind a box.

    Parameters
    ----------
    uri : str
        ``torch:resnet50?weights=FILE`` or ``onnx:FILE?preprocess=imagenet``, as `open_box` takes
        it. ``device`` says where it runs, for both.

    Raises
    ------
    InvalidOption
        The box is of another kind, or one of its options is unknown.
    BoxError
        The weights are not at hand, or are of no classifier that torch can run.
    MissingExtra
        torch, torchvision, timm or onnx is needed and not installed.
    """
    parts = BoxURI.parse(uri)
    openers: dict[str, Callable[..., WhiteBox]] = {"torch": _open_torch, "onnx": _open_onnx}
    if parts.scheme not in openers:
        raise InvalidOption(
            f"a white box is opened from {' or '.join(openers)}, found {parts.scheme!r}: nobody "
            "but its owner has the weights of a service."
        )
    opener = openers[parts.scheme]
    # what only the box takes says how it is asked and what it hides: nobody is asked here
    makers = (opener, BOXES[parts.scheme], LimitedBox)
    options, *_ = read_options(f"white box {parts.scheme!r}", parts.options, *makers)
    return opener(parts.target, **options)


def _open_torch(target: str, *, module: ModuleOptions) -> WhiteBox:
    if module.weights not in ("default", "none"):
        _need_file(module.weights)
    try:
        model = module.model(target)
    except BoxError as error:
        raise BoxError(f"weights not at hand: {error}") from error
    return WhiteBox.around(
        model.module,
        untrained=lambda seed: replace(module, weights="none", seed=seed).model(target).module,
        **module.settings(model),
    )


def _open_onnx(
    target: str,
    *,
    size: Size | None = None,
    channels: int | None = None,
    output: str | None = None,
    labels: Path | None = None,
    outputs: str = "auto",
    device: str = "cpu",
    figures: PreprocessOptions,
) -> WhiteBox:
    from rebox.study.baseline.onnx_module import OnnxModule  # noqa: PLC0415 - needs onnx

    _need_file(target)
    module = OnnxModule(Path(target), output=output)
    preprocess = figures.chosen() or Preprocess()
    shape = module.image_shape(size or preprocess.size, channels)
    sample = synthetic_batch(preprocess, shape)
    return WhiteBox.around(
        module,
        size=shape[:2],
        channels=shape[2],
        preprocess=preprocess,
        classes=None if labels is None else read_labels(labels),
        outputs=outputs,
        device=device,
        untrained=lambda seed: module.redrawn(seed, sample),
    )


def _need_file(path: str) -> None:
    if not Path(path).is_file():
        raise BoxError(f"weights not at hand: there is no file {path}.")
