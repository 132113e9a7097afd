"""Ledgers for the tests of what reads them: rows as `rebox bench run` writes them."""

import base64
import io
import json

import numpy as np
from PIL import Image

from rebox.metric import evaluate, quadratic_kappa
from rebox.study.bench.ledger import pack_answers

SOURCES = ("tench", "goldfish", "great white shark", "tiger shark", "cock", "ostrich", "magpie")
WORDS = "On 90 training images held out in turn, the box helps: macro AUC 0.81 (0.77 to 0.85)."


def answers(counts, skill, seed):
    """Return truth (n,), ordered by class, and probabilities (n, K) that are right by ``skill``."""
    rng = np.random.default_rng([seed, round(1000 * skill)])
    truth = np.repeat(np.arange(len(counts)), counts)
    scores = rng.normal(size=(len(truth), len(counts))) + skill * np.eye(len(counts))[truth]
    odds = np.exp(1.3 * scores)
    return truth, odds / odds.sum(axis=1, keepdims=True)


def sure(labels, right):
    """Return truth and probabilities: 0.9 for the true class where ``right``, else for another."""
    truth = np.array(labels)
    said = np.where(np.array(right), truth, 1 - truth)
    return truth, np.where(np.eye(2)[said] == 1, 0.9, 0.1)


def packed(truth, probabilities):
    """Return answers as a ledger keeps them."""
    return pack_answers(truth, probabilities, probabilities.shape[1])


def row(method="auto", *, counts=(20, 22), skill=1.0, seed=0, fold=None, given=None, **changes):
    """Return a row; ``given`` are its truth and probabilities, otherwise drawn by ``skill``."""
    truth, p = answers(counts, skill, 10 * seed + (fold or 0)) if given is None else given
    names = changes.pop("class_names", ["autism", "control", "third", "fourth"][: p.shape[1]])
    figures = evaluate(truth, p, list(range(p.shape[1])))
    if changes.get("grades"):
        figures["quadratic_kappa"] = quadratic_kappa(truth, p.argmax(1), range(p.shape[1]))
    budget = changes.get("budget", 1000)
    asked = 0 if budget is None else budget
    found = {
        "plan": "asd", "status": "done", "task": "abide", "box": "resnet50", "method": method,
        "budget": budget, "seed": seed, "fold": fold, "folds": None if fold is None else 3,
        "recipe": method, "baseline": None, "queries_per_prediction": 1, "peeks": False,
        "train": 90, "test": len(truth), "classes": p.shape[1], "class_names": names,
        "positive": None, "grades": False,
        "fit_queries": {"probe": 0, "map": min(asked, 90), "search": max(0, asked - 90),
                        "validate": 0, "predict": 0, "total": asked},
        "predict_queries": len(truth) if asked else 0, "asked_per_prediction": 1.0,
        "usd": {"fit": 0.002 * asked, "predict": 0.002 * len(truth) * bool(asked)},
        "seconds": {"total": 1.0, "box": 0.5, "outside": 0.5, "fit_as_run": 1.0},
        "metrics": {name: vars(figure) for name, figure in figures.items()},
        "answers": packed(truth, p), "curve": [], "verdict": None, "program": None,
        "reading": None, "note": "", "stop_reason": "every training sample has been asked",
        "version": "0.1.0",
    } | changes  # fmt: skip
    parts = ("plan", "task", "box", "method", "recipe", "budget", "seed", "fold")
    return {"key": " | ".join(str(found[part]) for part in parts)} | found


def missing(method="finetune", why="weights not at hand", **changes):
    """Return the row of a trial that could not be run."""
    found = {
        "plan": "asd", "status": "unavailable", "task": "abide", "box": "densenet121",
        "method": method, "budget": None, "seed": 0, "fold": None, "why": why,
    } | changes  # fmt: skip
    return {"key": f"{found['box']} | {method} | {found['seed']} | {found['fold']}"} | found


def program(side=32, seed=0):
    """Return a program's picture as a ledger keeps it."""
    noise = np.random.default_rng(seed).integers(60, 200, size=(side, side, 3), dtype=np.uint8)
    noise[side // 4 : -side // 4, side // 4 : -side // 4] = 128
    file = io.BytesIO()
    Image.fromarray(noise).save(file, format="PNG")
    return {"png": base64.b64encode(file.getvalue()).decode(), "size": [side, side]}


def reading(targets=2, seed=0):
    """Return the weights of source classes as a ledger keeps them."""
    weights = np.random.default_rng(seed).normal(size=(targets, len(SOURCES)))
    return {"source": list(SOURCES), "weights": np.round(weights, 4).tolist()}


def curve(budget, steps=40, start=0.7):
    """Return the steps of a search that gets a little better."""
    queries = np.linspace(budget / steps, budget, steps).round()
    return [
        {"queries": int(q), "loss": start - 0.1 * i / steps + 0.004 * (i % 3)}
        for i, q in enumerate(queries)
    ]


METHODS = {"auto": 1.3, "map": 1.0, "bar": 0.4, "ar": 0.8, "bar-as-released": 1.5}


def study(*, boxes=("resnet50", "inception_v3"), folds=3, seeds=1, budgets=(1000, 25000)):
    """Return a whole plan: searches, baselines without a box, one that peeked, one not at hand."""
    rows = []
    for seed in range(seeds):
        for fold in range(folds):
            where = {"seed": seed, "fold": fold}
            rows.append(_boxless("majority", 0.0, where))
            rows.append(_boxless("local", 1.1, where))
            for box in boxes:
                for method, skill in METHODS.items():
                    for budget in budgets:
                        rows.append(_searched(method, skill, box, budget, where))
    rows += [missing(fold=fold) for fold in range(folds)]
    return rows


def _boxless(method, skill, where):
    none = {"box": None, "budget": None, "queries_per_prediction": 0}
    return row(method, skill=skill, recipe=None, baseline=method, **none, **where)


def _searched(method, skill, box, budget, where):
    moves = method in {"bar", "ar", "bar-as-released"}
    return row(
        method,
        skill=skill + 0.05 * (budget > 5000) + 0.02 * len(box),
        box=box,
        budget=budget,
        peeks=method == "bar-as-released",
        curve=curve(budget, start=0.72 - 0.05 * skill) if moves else [],
        program=program() if moves else None,
        reading=None if method == "auto" else reading(),
        verdict={"words": WORDS, "rows": []} if method == "auto" else None,
        **where,
    )


def graded(boxes=("resnet50",)):
    """Return a plan of five grades and one split, several seeds."""
    names = ["none", "mild", "moderate", "severe", "proliferative"]
    return [
        row(method, counts=(60, 30, 25, 15, 10), skill=skill, seed=seed, plan="retinopathy",
            task="eyepacs", box=box, class_names=names, grades=True, budget=budget,
            reading=reading(5) if method == "map" else None,
            program=program(seed=1) if method == "bar" else None)
        for box in boxes
        for seed in range(3)
        for budget in (1000, 5000)
        for method, skill in (("auto", 1.4), ("map", 1.1), ("bar", 0.3))
    ]  # fmt: skip


def write(path, rows):
    """Write ``rows`` as a ledger and return its path."""
    path.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    return path
