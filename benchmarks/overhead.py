"""What rebox adds to the box's own time: images per second of a whole BAR search over the bare box.

    python benchmarks/overhead.py "onnx:squeezenet.onnx?preprocess=imagenet" \
        "onnx:squeezenet.onnx?preprocess=imagenet&runtime=openvino&precision=bf16" \
        [--rounds 11] [--q 25] [--pictures DIR] [--profile]

Each round times one BAR step (batch 20, q + 1 programs; with decoding, placing, dressing, checking,
metering, reading, loss and update), then the bare runtime of the box on as many ready float batches
of 20, then ONNX Runtime on them where the box has another runtime. Rounds are interleaved in one
process; figures are medians, the ratio is the median of the rounds' ratios. Peak and settings of
the machine cancel out; run it on an idle machine all the same.

With ``--pictures``, a box of another runtime says for how many of the folder's first 1,000 its best
class is ONNX Runtime's. ``--profile`` lists where one search spends its time, by function.
"""

import argparse
import cProfile
import pstats
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

import rebox
from rebox.box import BlackBox, BoxURI
from rebox.box.onnx_runtime import CPU, OnnxRuntime, OpenVino, Runtime
from rebox.demo import digits
from rebox.fit import Session, fit
from rebox.meter import Budget, Meter
from rebox.recipe import recipe_from_name
from rebox.sample import Inputs, SampleLoader

BATCH = 20
PICTURES = 1000
LINES = 15  # of a profile


def main() -> None:
    given = read_arguments()
    for uri in given.boxes:
        measure(uri, rounds=given.rounds, q=given.q)
        if given.pictures is not None and "runtime" in BoxURI.parse(uri).options:
            agree(uri, given.pictures)
        if given.profile:
            profile(uri, q=given.q)


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("boxes", nargs="+", metavar="BOX")
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--q", type=int, default=25)
    parser.add_argument("--pictures", type=Path, help="a folder of JPEG files")
    parser.add_argument("--profile", action="store_true")
    return parser.parse_args()


def measure(uri: str, *, rounds: int, q: int) -> None:
    """Print the rates of a search, of the box's bare runtime and of ONNX Runtime."""
    box, parts = rebox.open_box(uri), BoxURI.parse(uri)
    runtimes = bare_runtimes(parts)
    images, ready = some_images(box), ready_batch(runtimes[0], box)
    search(box, images, q=1)
    for runtime in runtimes:
        bare(runtime, ready, 2)
    seconds, asked = [], 0
    for _ in range(rounds):
        asked, whole = search(box, images, q=q)
        seconds.append([whole, *(bare(runtime, ready, asked // BATCH) for runtime in runtimes)])
    table = np.array(seconds)
    rates = asked / np.median(table, axis=0)
    print(uri.rsplit("/", maxsplit=1)[-1])
    print(f"  search {rates[0]:,.1f} images/s")
    print(f"  bare {rates[1]:,.1f} images/s; search is {over(table, 1, 0)}")
    if len(runtimes) > 1:
        print(f"  ONNX Runtime {rates[2]:,.1f} images/s; bare is {over(table, 2, 1)}")
        print(f"  search is {over(table, 2, 0)}")


def over(seconds: np.ndarray, slow: int, fast: int) -> str:
    """Return the ratio of two columns, round by round, in words."""
    ratios = seconds[:, slow] / seconds[:, fast]
    return (
        f"{np.median(ratios):.3f} times that "
        f"(median of {len(ratios)}; {ratios.min():.3f} to {ratios.max():.3f})"
    )


def bare_runtimes(parts: BoxURI) -> list[Runtime]:
    """Return the box's runtime, and ONNX Runtime after it where that is another one."""
    path = digits.PATH if parts.scheme == "demo" else Path(parts.target)
    threads = int(parts.options.get("threads", 0))
    usual = OnnxRuntime(path, CPU, threads)
    if parts.options.get("runtime") != "openvino":
        return [usual]
    return [OpenVino(path, parts.options.get("precision", "f32"), threads), usual]


def some_images(box: BlackBox) -> np.ndarray:
    """Return one batch of uint8 images that leave a frame on the box's canvas."""
    height, width, _ = box.spec.shape
    size = (BATCH, height * 5 // 7, width * 5 // 7, 3)
    return np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8)


def ready_batch(runtime: Runtime, box: BlackBox) -> np.ndarray:
    """Return a batch as the model itself takes it."""
    height, width, channels = box.spec.shape
    planar = runtime.inputs[0].shape[1] == channels
    shape = (channels, height, width) if planar else (height, width, channels)
    return np.random.default_rng(0).random((BATCH, *shape), dtype=np.float32)


def search(box: BlackBox, images: np.ndarray, *, q: int) -> tuple[int, float]:
    """Run one step of BAR; return the images asked and the seconds of the whole fit."""
    recipe = recipe_from_name(f"bar?q={q}&mapping=random&epochs=1&batch={BATCH}")
    meter = Meter(training=Budget(queries=10**9))
    inputs = Inputs.fit(images)
    targets = np.arange(len(images)) % 2
    start = time.perf_counter()
    loader = SampleLoader(inputs, images)
    fit(recipe, Session(boxes=(box,), meter=meter, samples=loader, targets=targets, seed=0))
    return meter.spent.total, time.perf_counter() - start


def bare(runtime: Runtime, ready: np.ndarray, batches: int) -> float:
    """Return the seconds that the runtime alone takes for ``batches`` ready batches."""
    outputs = [value.name for value in runtime.outputs]
    start = time.perf_counter()
    for _ in range(batches):
        runtime.run(ready, outputs)
    return time.perf_counter() - start


def agree(uri: str, folder: Path) -> None:
    """Print for how many pictures the box's best class is that of ONNX Runtime."""
    ours, theirs = rebox.open_box(uri), rebox.open_box(without_runtime(BoxURI.parse(uri)))
    paths = sorted(folder.rglob("*.jpg"))[:PICTURES]
    same, furthest = 0, 0.0
    for start in range(0, len(paths), BATCH):
        images = np.stack([picture(path, ours) for path in paths[start : start + BATCH]])
        first, second = ours.ask(images), theirs.ask(images)
        same += int((first.argmax(axis=1) == second.argmax(axis=1)).sum())
        furthest = max(furthest, float(np.abs(first - second).max()))
    print(
        f"  best class is ONNX Runtime's on {same} of {len(paths)} pictures; "
        f"largest difference of a score {furthest:.3f}"
    )


def without_runtime(parts: BoxURI) -> str:
    options: Mapping[str, str] = {
        name: value for name, value in parts.options.items() if name not in ("runtime", "precision")
    }
    text = "&".join(f"{name}={value}" for name, value in options.items())
    return f"{parts.scheme}:{parts.target}?{text}"


def picture(path: Path, box: BlackBox) -> np.ndarray:
    """Return a picture stretched over the box's input, in [0, 1]."""
    with Image.open(path) as image:
        resized = image.convert("RGB").resize((box.spec.width, box.spec.height))
    return np.asarray(resized, dtype=np.float32) / 255


def profile(uri: str, *, q: int) -> None:
    """Print where one search spends its time."""
    box = rebox.open_box(uri)
    images = some_images(box)
    search(box, images, q=1)
    profiler = cProfile.Profile()
    profiler.runcall(search, box, images, q=q)
    pstats.Stats(profiler).sort_stats("tottime").print_stats(LINES)


if __name__ == "__main__":
    main()
