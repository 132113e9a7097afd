"""The command line: arguments in, one line of error out."""

import sys
import warnings
from io import TextIOWrapper
from typing import Any

from rebox.cli.interruption import INTERRUPTED, signals
from rebox.errors import Error, extra


def main() -> None:
    """Run the command line.

    An error of ours is one line on stderr and exit code 2; Ctrl-C ends in 130, SIGTERM in 143.
    """
    warnings.showwarning = _show_warning
    if isinstance(sys.stdout, TextIOWrapper):  # of a terminal that knows few letters
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        with signals.listening():
            with extra("cli", "the command line"):
                from rebox.cli.app import app  # noqa: PLC0415 - its packages are an extra
            app()
    except Error as error:
        _say("error", error)
        sys.exit(2)
    except SystemExit as ended:
        sys.exit(signals.code(ended.code))
    except KeyboardInterrupt:  # while the packages were imported
        sys.exit(signals.code(INTERRUPTED))


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    _say("warning", message)


def _say(kind: str, message: object) -> None:
    from rebox.cli.wording import spoken  # noqa: PLC0415 - most runs end well

    # files and services move no cursor, and a name that is no text is told by its bytes
    text = " ".join(spoken(str(message), sys.argv[1:]).split())
    said = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
    if sys.stderr is not None:  # closed by whoever started us
        sys.stderr.write(f"rebox: {kind}: {said}\n")
