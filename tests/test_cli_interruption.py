"""Ctrl-C that is raised where Python forgets it: it comes again, and the command ends."""

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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_a_destructor_is_not_lost(number):
    signals = Signals()
    with signals.listening():
        with pytest.raises(KeyboardInterrupt):
            waits([Gone(number)])
        assert signals.code(130) == 128 + number


def test_a_signal_in_a_callback_of_a_weak_reference_is_not_lost():
    class Thing:
        pass

    things, signals = [Thing()], Signals()
    reference = weakref.ref(things[0], lambda _: signal.raise_signal(signal.SIGINT))
    with signals.listening(), pytest.raises(KeyboardInterrupt):
        waits(things)
    assert reference() is None


def test_a_signal_that_comes_again_too_early_comes_once_more(monkeypatch):
    """While it is still being seen to that it comes again, where it would be lost once more."""
    start = threading.Thread.start

    def begun(thread):
        start(thread)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(threading.Thread, "start", begun)
    with Signals().listening(), pytest.raises(KeyboardInterrupt):
        waits([Gone(signal.SIGINT)])


def test_a_signal_that_is_on_its_way_when_nobody_listens_any_more_is_not_the_next_ones(monkeypatch):
    """A sender that is slow, on a machine under load, would end what runs afterwards."""
    send, others = interruption._send_main, []

    def late(number):
        time.sleep(0.3)
        send(number)

    monkeypatch.setattr(interruption, "_send_main", late)
    before = signal.signal(signal.SIGINT, lambda *_: others.append("a signal"))
    try:
        with Signals().listening():
            gone = Gone(signal.SIGINT)
            del gone
            time.sleep(0.1)  # it has begun to come again
        time.sleep(0.5)
    finally:
        signal.signal(signal.SIGINT, before)
    assert not others


def test_a_signal_that_comes_again_lets_what_was_paid_for_be_written():
    signals, gone = Signals(), Gone(signal.SIGINT)
    with signals.listening():
        with signals.held():
            del gone
            time.sleep(0.1)  # neither ends this
        assert signals.heard == signal.SIGINT


def test_what_else_is_raised_there_is_told_as_ever(monkeypatch):
    told, signals = [], Signals()
    monkeypatch.setattr(sys, "unraisablehook", told.append)

    class Faulty:
        def __del__(self):
            raise ValueError("this one")

    with signals.listening():
        faulty = Faulty()
        del faulty
    assert [type(one.exc_value) for one in told] == [ValueError]
    assert sys.unraisablehook == told.append
