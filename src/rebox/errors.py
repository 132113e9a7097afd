"""Every error rebox raises, in one tree.

::

    Error
    ├── InvalidInput        (ValueError)      what the user handed over
    │   ├── InvalidOption                     an argument, a recipe's or a box's option
    │   └── InvalidData                       images, labels, files
    ├── MissingExtra        (ImportError)     an optional package is not installed
    ├── BudgetExhausted     (RuntimeError)    the next question would exceed the budget
    ├── BoxError            (RuntimeError)    the box could not be opened or did not answer
    │   ├── InvalidAnswer   (ValueError)      it answered, but not with scores
    │   ├── BoxMismatch     (ValueError)      not the box that the model was fitted for
    │   └── ServiceError                      a service refused, or could not be reached
    │       ├── KeyRefused                    its key is missing, wrong or expired
    │       └── QuotaSpent                    the account there may ask no more
    ├── JournalError        (RuntimeError)    the journal cannot be read or written
    ├── OutputError         (OSError)         a result cannot be written where it should go
    └── ArtefactError       (ValueError)      a model file cannot be used
        ├── TamperedArtefact                  its content does not match its checksum
        └── NewerArtefact                     written by a newer rebox

One more grows where scikit-learn is imported anyway, which takes a second or two:
`rebox.classifier.NotFitted`, an ``Error`` and scikit-learn's ``NotFittedError``.

A message says what was found, what was expected, and what to do, on one line.
"""

from collections.abc import Iterator
from contextlib import contextmanager


class Error(Exception):
    """Root of every error that rebox raises on purpose.

    Its text is one line, and whatever stands in it, from a file or a server, moves no terminal.
    """

    def __str__(self) -> str:
        words = " ".join(super().__str__().split())
        return words if words.isprintable() else "".join(map(_visible, words))


def _visible(character: str) -> str:
    known = character.isprintable() or character == "\xa0"
    return character if known else character.encode("unicode_escape").decode()


class SamplesLeave(UserWarning):
    """Samples are about to leave this machine, and nobody listens who would hear it.

    It is given once for each host and process, and not for hosts in ``REBOX_TRUSTED``.
    """


class InvalidInput(Error, ValueError):
    """The user handed over something that cannot be used."""


class InvalidOption(InvalidInput):
    """An argument, a recipe's option or a box's option is out of range or unknown."""


class InvalidData(InvalidInput):
    """Images, labels or a data file cannot be used."""


class MissingExtra(Error, ImportError):
    """An optional package is not installed; the message names the extra to install."""


class BudgetExhausted(Error, RuntimeError):
    """The next question would exceed the budget; it was not asked."""


class BoxError(Error, RuntimeError):
    """The box could not be opened or did not answer."""


class InvalidAnswer(BoxError, ValueError):
    """The box answered, but not with one row of usable scores for each image."""


class BoxMismatch(BoxError, ValueError):
    """The box is not the one that the model was fitted for."""


class ServiceError(BoxError):
    """A service refused a question, failed to answer it, or could not be reached."""


class KeyRefused(ServiceError):
    """A service's key is missing, wrong, expired or without the right to ask."""


class QuotaSpent(ServiceError):
    """The account at the service may ask no more for now: a quota, a plan's limit, an open bill."""


class JournalError(Error, RuntimeError):
    """The journal cannot be opened, read or written."""


class OutputError(Error, OSError):
    """A result cannot be written where it should go."""


class ArtefactError(Error, ValueError):
    """A model file cannot be read or used."""


class TamperedArtefact(ArtefactError):
    """A model file's content does not match its checksum."""


class NewerArtefact(ArtefactError):
    """A model file was written by a newer version of rebox."""


@contextmanager
def extra(name: str, what: str) -> Iterator[None]:
    """Say which extra to install where an import in the ``with`` block fails.

    Parameters
    ----------
    name : str
        Of the extra, as in ``pip install 'rebox[name]'``.
    what : str
        What needs it, as a sentence begins: "a torch box".

    Raises
    ------
    MissingExtra
    """
    try:
        yield
    except MissingExtra:  # of something further in, which knows better what it needs
        raise
    except ImportError as error:
        absent = isinstance(error, ModuleNotFoundError)
        package = (error.name or "a package").partition(".")[0]
        why = "is not installed" if absent else f"cannot be imported ({error})"
        raise MissingExtra(
            f"{what} needs {package}, which {why}: pip install 'rebox[{name}]'."
        ) from error
