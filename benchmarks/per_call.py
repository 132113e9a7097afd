"""What several samples in one call save in tokens, and what they cost in quality, at a real server.

    REBOX_TEST_ENVS=FOLDER python benchmarks/per_call.py

The server is llama.cpp with SmolLM2-135M, as in ``tests/test_real_chat_server.py``, on which its
environment and its 20 texts are; FOLDER is where that environment is made. Texts come in an order
that is drawn: in turn, a model that says A of each first text and B of each second would be right.
Writes ``PER_CALL.md`` beside this file. Ten minutes, on two busy cores.
"""

import argparse
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests"))

from environments import environment  # noqa: E402 - a path that is added above
from test_real_chat_server import (  # noqa: E402
    CLASSES,
    LABELS,
    MODEL,
    REQUIREMENTS,
    SERVE,
    TEXTS,
    uri,
)
from test_real_servers import Server, free_port  # noqa: E402

from rebox.box import open_box  # noqa: E402
from rebox.meter import Meter  # noqa: E402
from rebox.sample.texts import as_texts  # noqa: E402

WAYS = (("label", 1), ("label", 2), ("label", 4), ("label", 10), ("logprobs", 1))
ORDER = np.random.default_rng(0).permutation(len(TEXTS))
TRUE = np.array([CLASSES.index(LABELS[place]) for place in ORDER])


@dataclass(frozen=True)
class Row:
    """What was seen of one way to ask about all texts."""

    read: str
    per_call: int
    answers: np.ndarray  # (n,) of int; -1: none
    tokens_in: int
    tokens_out: int


def measure(url, ways=WAYS):
    """Yield a `Row` for each way."""
    texts = as_texts([TEXTS[place] for place in ORDER])
    for read, per_call in ways:
        more = {} if per_call == 1 else {"per_call": per_call}
        with open_box(uri(url, read=read, **more)) as box:
            meter = Meter([box])
            scores = meter.asker(box, "map").ask(texts)
            spent = meter.spent
        answers = np.where(scores.any(axis=1), scores.argmax(axis=1), -1)
        yield Row(read, per_call, answers, spent.tokens_in, spent.tokens_out)


def lines(rows):
    """Return the table, and what was answered in the order of asking, as Markdown."""
    n, alone = len(TRUE), rows[0].answers
    return [
        "# Several texts in one call",
        "",
        f"`python benchmarks/per_call.py`: {n} short texts of two classes, at llama.cpp with "
        "SmolLM2-135M, which is a weak model: asked about one text it says nearly always the same. "
        "What better ones lose cannot be told from it, and among so few texts a fifth more or less "
        "is chance. Tokens are the server's own count.",
        "",
        "| read | per_call | tokens read, each | written, each | no answer | right | as alone |",
        "|---|---:|---:|---:|---:|---:|---:|",
        *(
            f"| {row.read} | {row.per_call} | {row.tokens_in / n:.1f} | {row.tokens_out / n:.1f} | "
            f"{(row.answers < 0).sum()} | {(row.answers == TRUE).sum()} of {n} | "
            f"{(row.answers == alone).sum()} |"
            for row in rows
        ),
        "",
        "Call by call:",
        "",
        f"- the truth: `{_by_call(TRUE, n)}`",
        *(f"- {row.read}, {row.per_call}: `{_by_call(row.answers, row.per_call)}`" for row in rows),
        "",
    ]


def _by_call(answers, per_call):
    said = "".join("-AB"[answer + 1] for answer in answers)
    return " ".join(said[start : start + per_call] for start in range(0, len(said), per_call))


def main():
    """Measure, print, and write what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", help="of a server that runs already")
    url = parser.parse_args().url
    os.environ.setdefault("OPENAI_API_KEY", "none-is-needed")
    if url is not None:
        return write(url)
    folder = Path(tempfile.mkdtemp())
    os.environ.setdefault("REBOX_TEST_ENVS", str(folder / "environments"))
    python, port = environment("llama-cpp", REQUIREMENTS, None), free_port()
    url = f"http://127.0.0.1:{port}"
    command = [python, "-c", SERVE, port, MODEL]
    with Server(command, ready=f"{url}/health", log=folder / "log", environment={}):
        return write(url)


def write(url):
    """Ask all, and write the table as it grows."""
    rows = []
    for row in measure(url):
        rows.append(row)
        text = "\n".join(lines(rows))
        (HERE / "PER_CALL.md").write_text(text, encoding="utf-8")
        print(text)


if __name__ == "__main__":
    main()
