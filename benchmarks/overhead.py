"""What rebox adds to the box's own time: images per second of a whole BAR search over the bare box.

    python benchmarks/overhead.py "onnx:squeezenet.onnx?preprocess=imagenet" [--rounds 7] [--q 25]

Each round times one BAR step (batch 20, q + 1 programs; with decoding, placing, dressing, checking,
metering, reading, loss and update) and then the bare ONNX Runtime session on as many ready float
batches of 20. Rounds are interleaved in one process; the figure is the median of their ratios.
Peak and settings of the machine cancel out; run it on an idle machine all the same.
"""

import argparse
import statistics
import time

import numpy as np
import onnxruntime

import rebox
from rebox.box import BlackBox, BoxURI
from rebox.demo import digits
from rebox.fit import Session, fit
from rebox.meter import Budget, Meter
from rebox.recipe import recipe_from_name
from rebox.sample import ImageLoader, Inputs

BATCH = 20


def main() -> None:
    arguments = read_arguments()
    box = rebox.open_box(arguments.box)
    file = digits.PATH if arguments.box == "demo:digits" else BoxURI.parse(arguments.box).target
    session = onnxruntime.InferenceSession(file)
    images = some_images(box)
    ready = ready_batch(session, box)
    bare(session, ready, 2)
    search(box, images, q=1)
    ratios, rates = [], []
    for _ in range(arguments.rounds):
        asked, seconds = search(box, images, q=arguments.q)
        bare_seconds = bare(session, ready, asked // BATCH)
        ratios.append(bare_seconds / seconds)
        rates.append((asked / seconds, asked / bare_seconds))
    whole, alone = (statistics.median(column) for column in zip(*rates, strict=True))
    name = arguments.box.split("/")[-1]
    print(
        f"{name}: search {whole:,.1f} images/s, bare {alone:,.1f} images/s, "
        f"ratio {statistics.median(ratios):.3f} "
        f"(median of {len(ratios)}; {min(ratios):.3f} to {max(ratios):.3f})"
    )


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("box")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--q", type=int, default=25)
    return parser.parse_args()


def some_images(box: BlackBox) -> np.ndarray:
    """Return one batch of uint8 images that leave a frame on the box's canvas."""
    height, width, _ = box.spec.shape
    size = (BATCH, height * 5 // 7, width * 5 // 7, 3)
    return np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8)


def ready_batch(session: onnxruntime.InferenceSession, box: BlackBox) -> dict[str, np.ndarray]:
    """Return a batch as the model itself takes it."""
    given = session.get_inputs()[0]
    height, width, channels = box.spec.shape
    planar = given.shape[1] == channels
    shape = (channels, height, width) if planar else (height, width, channels)
    return {given.name: np.random.default_rng(0).random((BATCH, *shape), dtype=np.float32)}


def search(box: BlackBox, images: np.ndarray, *, q: int) -> tuple[int, float]:
    """Run one step of BAR; return the images asked and the seconds of the whole fit."""
    recipe = recipe_from_name(f"bar?q={q}&mapping=random&epochs=1&batch={BATCH}")
    meter = Meter(training=Budget(queries=10**9))
    inputs = Inputs.fit(images)
    targets = np.arange(len(images)) % 2
    start = time.perf_counter()
    loader = ImageLoader(inputs, images)
    fit(recipe, Session(box=box, meter=meter, images=loader, targets=targets, seed=0))
    return meter.spent.total, time.perf_counter() - start


def bare(
    session: onnxruntime.InferenceSession, ready: dict[str, np.ndarray], batches: int
) -> float:
    """Return the seconds that the model's own session takes for ``batches`` ready batches."""
    start = time.perf_counter()
    for _ in range(batches):
        session.run(None, ready)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
