"""How a model that MLflow runs is paid for: one budget, however many processes ask.

MLflow keeps it beside the model, and lets whoever loads it say otherwise (``model_config=``, or
``MLFLOW_PYFUNC_INFERENCE_CONFIG`` for its servers), but not whoever asks: a client that could name
another account would have a budget of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, Self, get_args

from rebox.artefact import digest_of
from rebox.box import BlackBox, beside
from rebox.classifier import Reprogrammer
from rebox.classifier.accounts import check_prices
from rebox.errors import InvalidOption
from rebox.meter import Budget, Journal, JournalAccount, Meter, is_server

WhenSpent = Literal["raise", "mark"]


@dataclass(frozen=True, kw_only=True)
class JobOptions:
    """What a model is asked for, as plain values that stand in its ``MLmodel``.

    Parameters
    ----------
    budget : int or None
        Most queries of all processes together that name the same journal and account.
    max_usd : float or None
        Most US dollars of them.
    journal : str, bool or None
        As for `rebox.Reprogrammer`. With a budget: an absolute path on one machine, or
        ``postgresql://...`` across several.
    account : str or None
        Who pays. With a budget: a name for the job, as everything that it was ever billed for
        counts.
    box : sequence of str or None
        URIs of boxes that are to be asked in place of those in the file.
    when_spent : {"raise", "mark"}
        Whether a spent budget ends the job, or leaves what it does not pay for without an answer.
    uncapped : bool
        Whether boxes that cost money may be asked without an end.
    """

    budget: int | None = None
    max_usd: float | None = None
    journal: str | bool | None = None
    account: str | None = None
    box: Sequence[str] | None = None
    when_spent: WhenSpent = "raise"
    uncapped: bool = False

    def __post_init__(self) -> None:
        _ = self.cap  # which says what is wrong with it
        if self.when_spent not in get_args(WhenSpent):
            raise InvalidOption(f"when_spent is {self.when_spent!r}; expected 'raise' or 'mark'.")
        if self.capped:
            self._shared()

    @classmethod
    def read(cls, config: Mapping[str, Any]) -> Self:
        """Return what MLflow has kept; raise `InvalidOption` where that is no such thing."""
        unknown = sorted({*config} - {field.name for field in fields(cls)})
        if unknown:
            known = ", ".join(field.name for field in fields(cls))
            raise InvalidOption(f"found the option {unknown[0]!r}; expected {known}.")
        return cls(**config)

    def config(self) -> dict[str, Any]:
        """Return all of it: MLflow lets nothing be said later that is not said here."""
        box = None if self.box is None else list(self.box)
        return asdict(self) | {"box": box}

    @property
    def cap(self) -> Budget:
        """What may be spent."""
        return Budget(queries=self.budget, usd=self.max_usd)

    @property
    def capped(self) -> bool:
        """Whether there is a budget."""
        return (self.budget, self.max_usd) != (None, None)

    def _shared(self) -> tuple[str, str]:
        """Return journal and account; refuse a budget that each process would have to itself."""
        journal, account = self.journal, self.account
        if not isinstance(journal, str) or account is None or not account.strip():
            raise InvalidOption(
                "a budget is held across processes by a journal and an account: pass journal=, an "
                "absolute path or postgresql://..., and account=, a name for the job."
            )
        if not is_server(journal) and not Path(journal).is_absolute():
            raise InvalidOption(
                f"the journal {journal!r} is another file in each worker's folder: pass an "
                "absolute path, or postgresql://..."
            )
        return journal, account

    def open(self, path: Path) -> Reprogrammer:
        """Return the model in the file ``path``, whose predictions are paid for so.

        Raises
        ------
        InvalidOption
            A box costs money without an end, or has no price and the budget is in dollars.
        """
        box = None if self.box is None else [beside(uri, path.parent) for uri in self.box]
        if not self.capped:
            model = Reprogrammer.load(path, box, journal=self.journal, account=self.account)
            self._check_paid(model)
            return model
        model = Reprogrammer.load(path, box, journal=False)
        if model.box_ is None:  # nobody is asked, and nothing spent
            return model
        check_prices(model.boxes_, self.cap)
        model.meter_ = self._meter(model)
        return model

    def _meter(self, model: Reprogrammer) -> Meter:
        """Return a meter that leaves the cap to the journal.

        Its own would count what the journal answers for free, too, for each process anew.
        """
        journal, account = self._shared()
        payer = JournalAccount(
            Journal(journal),
            name=account,
            fit=f"model-{digest_of(model.artefact_)[:12]}",
            training=Budget(),
            prediction=self.cap,
        )
        return Meter(model.boxes_, account=payer)

    def _check_paid(self, model: Reprogrammer) -> None:
        asked = zip(model.boxes_, model.queries_by_box_, strict=True)
        dear = [box for box, queries in asked if queries and box.source.remote and not _free(box)]
        if self.uncapped or not dear:
            return
        raise InvalidOption(
            f"{dear[0].uri or dear[0].spec.identity} may cost money, and whoever asks the model "
            "spends it: pass budget= or max_usd= with journal= and account=, or uncapped=True."
        )


def _free(box: BlackBox) -> bool:
    return box.spec.price_usd == 0 and box.spec.usd_per_hour == 0
