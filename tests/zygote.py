"""A process that has imported everything, and forks others that begin at once.

zygote = Zygote()
pid = zygote.fork("fit", journal=..., out=...)
os.kill(pid, signal.SIGKILL)
zygote.reap(pid)
"""

import json
import os
import subprocess
import sys
import traceback
from pathlib import Path

import numpy as np

SIDE = 16
IMAGES = 60
CLASSES = 5
WORDS = ("sun", "rain", "snow")
LONGEST = 300  # words of a text


def data(seed=0):
    """Return images of two classes that a box can tell apart."""
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 256, (IMAGES, SIDE, SIDE, 3), dtype=np.uint8)
    y = np.arange(IMAGES) % 2
    x[y == 1, :, : SIDE // 2] //= 3
    return x, y


def fit(uri, recipe, journal, out, budget, account=None, seed=0):
    """Fit a model and save it."""
    from rebox import Reprogrammer

    model = Reprogrammer(
        uri,
        recipe,
        budget=budget,
        journal=journal,
        account=account,
        random_state=seed,
        queries_per_prediction=3 if recipe == "auto" else 1,
    )
    model.fit(*data())
    model.save(out)


def ask_until_spent(uri, journal, budget, seed):
    """Ask about one image after another until the account may ask no more."""
    from rebox.box import open_box
    from rebox.errors import BudgetExhausted
    from rebox.meter import Budget, Journal, JournalAccount, Meter

    with open_box(uri) as box, Journal(journal) as opened:
        account = JournalAccount(
            opened,
            name="team",
            training=Budget(queries=budget),
            prediction=Budget(),
        )
        asked = Meter(account=account).asker(box, "map")
        rng = np.random.default_rng(seed)
        while True:
            image = rng.integers(0, 256, (1, *box.spec.shape), dtype=np.uint8)
            try:
                asked.ask(image)
            except BudgetExhausted:
                return


def questions_of(seed, n, boxes):
    """Return (n,) boxes by their places, and the (n, ...) images that they are asked about."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (n, SIDE, SIDE, 3), dtype=np.uint8)
    return rng.integers(0, boxes, n), images


def texts_of(seed, n, boxes):
    """Return (n,) boxes by their places, and as many texts of very different lengths.

    Each names one of `WORDS`, and no two are the same.
    """
    from rebox.sample.texts import as_texts

    rng = np.random.default_rng([1, seed])
    sizes = np.exp(rng.uniform(0, np.log(LONGEST), n)).astype(int)
    said = [f"{'well ' * size}{rng.choice(WORDS)} {seed}/{k}" for k, size in enumerate(sizes)]
    return rng.integers(0, boxes, n), as_texts(said)


def ask_several(uris, journal, queries, usd, seed, questions):
    """Put questions of its own to several boxes until all are answered, or no box may be asked.

    Who is started again with a seed asks the same again; all seeds share one account.
    """
    from contextlib import ExitStack

    from rebox.box import open_box
    from rebox.errors import BudgetExhausted
    from rebox.meter import Budget, Journal, JournalAccount, Meter

    budget = Budget(queries=queries, usd=usd)
    with ExitStack() as stack:
        boxes = [stack.enter_context(open_box(uri)) for uri in uris]
        account = JournalAccount(
            stack.enter_context(Journal(journal)),
            name="team",
            training=budget,
            prediction=Budget(),
            fit=f"fit {seed}",
        )
        meter = Meter(boxes, account=account)
        of = texts_of if boxes[0].spec.takes == "texts" else questions_of
        places, queries = of(seed, questions, len(boxes))
        refused = set()
        for start in range(0, questions, 6):  # a few at a time, whoever is asked
            few = slice(start, start + 6)
            for place, box in enumerate(boxes):
                asked = queries[few][places[few] == place]
                try:
                    if len(asked) and place not in refused:
                        meter.asker(box, "map").ask(asked)
                except BudgetExhausted:
                    refused.add(place)
            if len(refused) == len(boxes):
                return


def command(arguments, log):
    """Run the command line with ``arguments``; what it prints goes to the file ``log``."""
    from rebox.cli import main

    with Path(log).open("w") as file:
        for descriptor in (1, 2):
            os.dup2(file.fileno(), descriptor)
    sys.argv = ["rebox", *arguments]
    main()


def fit_in_batches(uri, journal, out, phase, usd=None, seed=0, account=None):
    """Fit a model by batches; die in a ``phase`` of the first, if one is named."""
    from fake_batches import pictures

    from rebox import Reprogrammer

    with _death_in(phase):
        model = Reprogrammer(
            uri,
            budget=200,
            max_usd=usd,
            journal=journal,
            batch=True,
            canaries=0,
            account=account,
            random_state=seed,
        )
        model.fit(*pictures(seed=seed))
        model.save(out)


PHASES = {
    # where the process dies, at which call, and whether what is called there is still done
    "before it is written down": ("rebox.meter.flights:Flights.enter", 1, False),
    "before the upload": ("rebox.meter.dispatch:Dispatch.send", 1, False),
    "after the upload": ("rebox.meter.flights:Flights.note_upload", 1, False),
    "before the batch is made": ("rebox.meter.flights:Flights.note_creation", 1, True),
    "before its id is written down": ("rebox.meter.flights:Flights.note_remote", 1, False),
    "once its id is written down": ("rebox.meter.flights:Flights.note_remote", 1, True),
    "while waiting": ("rebox.meter.dispatch:Dispatch._tell", 2, True),
    "before results are read": ("rebox.meter.dispatch:Dispatch.results", 1, False),
    "after results are read": ("rebox.meter.dispatch:Dispatch.results", 1, True),
    "between two lines": ("rebox.meter.flights:Flights.settle", 3, True),
    "before a line is settled": ("rebox.meter.flights:Flights.settle", 4, False),
    "before the batch is ended": ("rebox.meter.flights:Flights.end", 1, False),
}


def _death_in(phase):
    """Have this process killed in a phase of a batch; ask often, and settle line by line."""
    import importlib
    import signal
    from contextlib import ExitStack
    from unittest import mock

    stack = ExitStack()
    for name, value in {
        "rebox.meter.dispatch.SOONEST_S": 0.05,
        "rebox.meter.dispatch.LATEST_S": 0.1,
        "rebox.meter.wave.AT_ONCE": 1,
        "rebox.box.chat.batch.SETTLES_S": -1.0,  # a second, with a timeout of two
    }.items():
        stack.enter_context(mock.patch(name, value))
    if phase is None:
        return stack
    where, at, done = PHASES[phase]
    module, _, path = where.partition(":")
    owner, name = path.split(".")
    kind = getattr(importlib.import_module(module), owner)
    before, calls = getattr(kind, name), []

    def dying(*arguments, **options):
        calls.append(name)
        last = len(calls) == at
        if last and not done:
            os.kill(os.getpid(), signal.SIGKILL)
        result = before(*arguments, **options)
        if last:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    stack.enter_context(mock.patch.object(kind, name, dying))
    return stack


JOBS = {
    "fit_in_batches": fit_in_batches,
    "fit": fit,
    "ask_until_spent": ask_until_spent,
    "ask_several": ask_several,
    "command": command,
}


class Zygote:
    """The other process, seen from a test."""

    def __init__(self, **environment):
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )
        assert self._answer() == "ready"

    def fork(self, job, **arguments):
        """Begin a job in a process of its own and return its number."""
        return int(self._say(job=job, arguments=arguments))

    def reap(self, pid):
        """Wait for a process to end and return its exit code: -9 if it was killed."""
        return int(self._say(reap=pid))

    def close(self):
        self._process.stdin.close()
        self._process.wait(timeout=60)
        self._process.stdout.close()

    def _say(self, **what):
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self):
        return json.loads(self._process.stdout.readline())


def main():
    import rebox.cli.fit
    import rebox.cli.predict  # noqa: F401 - what is imported is there in every fork

    _tell("ready")
    for line in sys.stdin:
        said = json.loads(line)
        if "reap" in said:
            _, status = os.waitpid(said["reap"], 0)
            _tell(os.waitstatus_to_exitcode(status))
            continue
        pid = os.fork()
        if pid == 0:
            _carry_out(said["job"], said["arguments"])
        _tell(pid)


def _carry_out(job, arguments):
    code = 1
    try:
        JOBS[job](**arguments)
        code = 0
    except SystemExit as ended:
        sys.stdout.flush()
        code = ended.code or 0
    except BaseException:  # noqa: BLE001 - told, and the exit code says so
        traceback.print_exc()
    finally:
        os._exit(code)


def _tell(what):
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    main()
