"""Makes ``digits.onnx``, the box of the demo: ``python scripts/make_digits.py``.

A small network that recognises handwritten digits, trained on scikit-learn's ``digits`` (1797
images of 8 x 8 pixels) and written by hand as ONNX. It has never seen anything but digits. The
script needs the ``onnx`` package; the demo does not need the script. One seed fixes everything, but
the last digits of the weights depend on the machine's linear algebra.
"""

import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

from rebox.demo.digits import PATH
from rebox.demo.mirror import SIDE, Pixels, digit_images

HIDDEN = 80  # units of its one hidden layer
SHIFT = 1  # pixels: the longest shift of a training image along either axis
COPIES = 8  # shifted copies of each training image
EPOCHS = 60
SEED = 0

Layers = tuple[tuple[Pixels, Pixels], ...]


def train(images: Pixels, digits: NDArray[np.intp]) -> Layers:
    """Return (weights, bias) of each layer, trained on shifted copies of ``images``.

    Without the shifts no digit would ever touch the edge, the network would not look there, and
    the frame that holds a program would be blind.
    """
    rng = np.random.default_rng(SEED)
    moved = np.concatenate([_shifted(images, rng) for _ in range(COPIES)])
    network = MLPClassifier(
        (HIDDEN,),
        alpha=1e-2,
        batch_size=128,
        learning_rate_init=2e-3,
        max_iter=EPOCHS,
        n_iter_no_change=EPOCHS,
        random_state=SEED,
    )
    # One thread: small products gain nothing from more, and one adds up in the same order always.
    with threadpool_limits(limits=1), warnings.catch_warnings():
        # Every epoch is run and none is chosen: that is no failure to converge.
        warnings.simplefilter("ignore", ConvergenceWarning)
        network.fit(moved.reshape(len(moved), -1), np.tile(digits, COPIES))
    return tuple(
        (weights.astype(np.float32), bias.astype(np.float32))
        for weights, bias in zip(network.coefs_, network.intercepts_, strict=True)
    )


def write_onnx(layers: Layers, path: Path) -> None:
    """Write images (n, 1, 16, 16) -> flatten -> Gemm -> ReLU -> Gemm -> softmax (n, 10)."""
    nodes = [helper.make_node("Flatten", ["images"], ["x0"])]
    constants = []
    for k, (weights, bias) in enumerate(layers):
        constants += [numpy_helper.from_array(weights, f"weights{k}")]
        constants += [numpy_helper.from_array(bias, f"bias{k}")]
        nodes += [helper.make_node("Gemm", [f"x{k}", f"weights{k}", f"bias{k}"], [f"y{k}"])]
        last = k == len(layers) - 1
        nodes += [
            helper.make_node(
                "Softmax" if last else "Relu", [f"y{k}"], ["scores" if last else f"x{k + 1}"]
            )
        ]
    floats = TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "digits",
        [helper.make_tensor_value_info("images", floats, ["n", 1, SIDE, SIDE])],
        [helper.make_tensor_value_info("scores", floats, ["n", len(layers[-1][1])])],
        constants,
    )
    # An old opset and format, so that any ONNX Runtime of the last years opens the file.
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString(deterministic=True))


def recognise(layers: Layers, images: Pixels) -> NDArray[np.intp]:
    """Return the most probable digit of each of ``images`` (n, 16, 16)."""
    x = images.reshape(len(images), -1)
    *inner, last = layers
    for weights, bias in inner:
        x = np.maximum(x @ weights + bias, 0)
    digits: NDArray[np.intp] = (x @ last[0] + last[1]).argmax(axis=1)
    return digits


def main(path: Path, write: Callable[[str], object] = sys.stdout.write) -> None:
    """Train the network, say how good it is on held-out digits, and write it to ``path``."""
    train_images, test_images, train_digits, test_digits = digit_images()
    layers = train(train_images, train_digits)
    right = int((recognise(layers, test_images) == test_digits).sum())
    write_onnx(layers, path)
    share = 100 * right / len(test_digits)
    write(
        f"{path.name}: {right} of {len(test_digits)} held-out digits recognised ({share:.1f} %)\n"
    )


def _shifted(images: Pixels, rng: np.random.Generator) -> Pixels:
    """Return ``images`` (n, 16, 16), each moved by up to `SHIFT` pixels along either axis."""
    padded = np.pad(images, ((0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT)))
    starts = rng.integers(2 * SHIFT + 1, size=(len(images), 2))
    return np.stack(
        [
            image[top : top + SIDE, left : left + SIDE]
            for image, (top, left) in zip(padded, starts, strict=True)
        ]
    )


if __name__ == "__main__":
    main(PATH)
