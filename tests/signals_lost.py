"""Ctrl-C that is raised where Python forgets it: cases for `test_cli_interruption`.

Each sends signals to its own process: ``python signals_lost.py CASE NUMBER``.
"""

import os
import signal
import sys
import threading
import time
import weakref

import pytest

from rebox.cli import interruption
from rebox.cli.interruption import Signals


class Gone:
    """What sends a signal to this process while it is collected."""

    def __init__(self, number):
        self._number = number

    def __del__(self):
        os.kill(os.getpid(), self._number)
        time.sleep(0)  # the handler runs by now


def waits(kept):
    kept.clear()  # which collects what was in it
    time.sleep(5)  # until the signal comes again
    pytest.fail("the signal was lost")


def is_written(signals, number=None):
    """Write what was paid for, with a signal in its middle, or while one is on its way again."""
    written = []

    def write():
        with signals.held():
            if number is None:
                time.sleep(0.1)
            else:
                signal.raise_signal(number)
            written.append("all")

    with pytest.raises(KeyboardInterrupt):
        write()
    assert written == ["all"]


def in_a_destructor(number):
    signals = Signals()
    with signals.listening():
        with pytest.raises(KeyboardInterrupt):
            waits([Gone(number)])
        assert signals.code(130) == 128 + number


def in_a_callback_of_a_weak_reference(number):
    class Thing:
        pass

    things, signals = [Thing()], Signals()
    reference = weakref.ref(things[0], lambda _: signal.raise_signal(number))
    with signals.listening(), pytest.raises(KeyboardInterrupt):
        waits(things)
    assert reference() is None


def again_while_the_first_is_seen_to(number):
    """While it is still being seen to that it comes again, where it would be lost once more."""
    start = threading.Thread.start

    def begun(thread):
        start(thread)
        signal.raise_signal(number)

    threading.Thread.start = begun
    with Signals().listening(), pytest.raises(KeyboardInterrupt):
        waits([Gone(number)])


def on_its_way_when_nobody_listens_any_more(number):
    """A sender that is slow, on a machine under load, would end what runs afterwards."""
    send, others = interruption._send_main, []

    def late(number):
        time.sleep(0.3)
        send(number)

    interruption._send_main = late
    signal.signal(number, lambda *_: others.append("a signal"))
    with Signals().listening():
        gone = Gone(number)
        del gone
        time.sleep(0.1)  # it has begun to come again
    time.sleep(0.5)
    assert not others


def again_while_what_was_paid_for_is_written(number):
    signals, gone = Signals(), Gone(number)
    with signals.listening():
        del gone
        is_written(signals)
        assert signals.code(130) == 128 + number


def first_while_what_was_paid_for_is_written(number):
    signals = Signals()
    with signals.listening():
        is_written(signals, number)
        assert signals.code(130) == 128 + number
        with signals.held():  # it is told once
            pass


def what_else_is_raised_there_is_told_as_ever(_):
    told, signals = [], Signals()
    sys.unraisablehook = told.append

    class Faulty:
        def __del__(self):
            raise ValueError("this one")

    with signals.listening():
        faulty = Faulty()
        del faulty
    assert [type(one.exc_value) for one in told] == [ValueError]
    assert sys.unraisablehook == told.append


CASES = [
    in_a_destructor,
    in_a_callback_of_a_weak_reference,
    again_while_the_first_is_seen_to,
    on_its_way_when_nobody_listens_any_more,
    again_while_what_was_paid_for_is_written,
    first_while_what_was_paid_for_is_written,
    what_else_is_raised_there_is_told_as_ever,
]

if __name__ == "__main__":
    (case,) = (case for case in CASES if case.__name__ == sys.argv[1])
    case(int(sys.argv[2]))
