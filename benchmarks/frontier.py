"""Accuracy and macro AUC against training queries, for every method, task and box of a plan.

    python benchmarks/frontier.py run benchmarks/frontier/measured.toml --ledger L \
        --data DIR --models DIR --cache DIR
    python benchmarks/frontier.py table L
    python benchmarks/frontier.py draw L --out DIR
    python benchmarks/frontier.py compare BEFORE AFTER

Every method goes through one call: ``rebox.Reprogrammer(box, recipe, budget=..., ...).fit(x, y)``,
``predict_proba``, ``rebox.metric.evaluate``. Test images choose nothing, and no subject is on both
sides. A finished trial is a line of the ledger; a rerun skips it, and with ``--cache`` asks a box
nothing that it has answered before. ``smoke.toml`` needs neither data nor models. ``--data`` holds
the data sets as `rebox task list` names them, ``--models`` the ONNX files that a plan names.
"""

import argparse
from fnmatch import fnmatch
from pathlib import Path

from frontier.compare import compare
from frontier.table import render
from frontier.tasks import LOADERS

from rebox.cli.bench import tell_trial
from rebox.study.bench import Places, is_done, read_ledger, read_plan, run


def main(arguments: list[str] | None = None) -> int:
    given = _parser().parse_args(arguments)
    command = {"run": _run, "table": _table, "draw": _draw, "compare": _compare}[given.command]
    return command(given)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    trials = commands.add_parser("run", help="run the trials that the ledger does not hold")
    trials.add_argument("plan", type=Path)
    trials.add_argument("--ledger", type=Path, required=True)
    for name in ("data", "models", "cache"):
        trials.add_argument(f"--{name}", type=Path)
    trials.add_argument(
        "--only",
        default="*",
        help="a pattern of 'task | box | method | budget | seed', as 'ham* | squeezenet | *'",
    )
    trials.add_argument("--jobs", type=int, default=1, help="trials at a time")
    trials.add_argument("--threads", type=int, default=1, help="threads of a trial")
    trials.add_argument("--list", action="store_true", help="show what would run")
    table = commands.add_parser("table", help="print a ledger as Markdown")
    table.add_argument("--ours", default="auto", help="the method that is compared")
    table.add_argument("--rival", default="bar", help="whose largest budget has to be reached")
    drawing = commands.add_parser("draw", help="draw a ledger")
    drawing.add_argument("--out", type=Path, required=True)
    comparing = commands.add_parser("compare", help="two ledgers of one plan, cell by cell")
    comparing.add_argument("before", type=Path)
    comparing.add_argument("after", type=Path)
    for command in (table, drawing):
        command.add_argument("ledger", type=Path)
    return parser


def _run(given: argparse.Namespace) -> int:
    trials = [trial for trial in read_plan(given.plan).trials if fnmatch(trial.label, given.only)]
    if given.list:
        done = {row["key"] for row in read_ledger(given.ledger) if is_done(row)}
        for trial in trials:
            print("done" if trial.key in done else "    ", trial.label)
        return 0
    places = Places(
        data=given.data,
        models=given.models,
        cache=given.cache,
        threads=given.threads,
        loaders=LOADERS,
    )
    ended = run(trials, given.ledger, places, jobs=given.jobs, listeners=(tell_trial,))
    return 1 if ended.failed or ended.unavailable else 0


def _table(given: argparse.Namespace) -> int:
    print(render(list(read_ledger(given.ledger)), given.ours, given.rival))
    return 0


def _compare(given: argparse.Namespace) -> int:
    for line in compare(read_ledger(given.before), read_ledger(given.after)):
        print(line)
    return 0


def _draw(given: argparse.Namespace) -> int:
    from frontier.draw import draw  # noqa: PLC0415 - matplotlib is heavy, and an extra

    for path in draw(list(read_ledger(given.ledger)), given.out):
        print(path)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
