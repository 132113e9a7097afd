"""BAR's runs behind paid services, repeated behind rehearsals: queries and dollars, exactly.

    python benchmarks/published_services.py run --data DIR --models DIR [--seeds 0,1,2] [--only *]
    python benchmarks/published_services.py table

``run`` asks real models on the loopback interface, by the services' own protocols and at their
prices; a finished trial is a line of the ledger, and a rerun skips it. ``table`` writes RESULTS.md
from the ledger. ``--data`` holds ``abide/abide_cc200.npz``, ``--models`` the two ONNX files.
"""

import argparse
import os
from contextlib import closing
from pathlib import Path

from measuring import commands, missing
from published_services.table import render
from published_services.trials import (
    KEYS,
    SERVICES,
    TESTED,
    TRAINING,
    Service,
    measure,
    trials,
)

from rebox.sample import open_task
from rebox.study.bench import append, read_ledger
from rebox.study.task import holdout

HERE = Path(__file__).parent / "published_services"


def run(given: argparse.Namespace) -> None:
    """Run what the ledger does not hold."""
    os.environ.update(dict.fromkeys(KEYS, "no-real-key"))
    dataset = open_task("abide", given.data)
    for trial in missing(trials([int(seed) for seed in given.seeds.split(",")]), given):
        print(trial.key, end=" ", flush=True)
        served = SERVICES[trial.service]
        with closing(Service(served, given.models)) as service:
            parts = holdout(dataset, train=TRAINING, test=TESTED, seed=trial.seed)
            row = measure(trial, dataset, parts, service, served.size)
        append(given.ledger, row)
        print(f"{row['bill']['queries']} queries, {row['seconds']['fit']:.0f} s", flush=True)


def main() -> None:
    parser, running = commands(__doc__, HERE, "service | q=Q | method | seed")
    running.add_argument("--data", type=Path, required=True)
    running.add_argument("--models", type=Path, required=True)
    running.add_argument("--seeds", default="0,1,2")
    given = parser.parse_args()
    if given.command == "run":
        run(given)
    else:
        given.out.write_text(render(list(read_ledger(given.ledger))), encoding="utf-8")


if __name__ == "__main__":
    main()
