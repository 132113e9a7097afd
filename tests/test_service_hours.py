"""What time costs: an endpoint that is paid for by the hour, its caps and its receipts."""

import threading

import numpy as np
import pytest

from rebox import Reprogrammer
from rebox.box import BoxSpec, open_box
from rebox.box.rehearsal import RehearsalBox
from rebox.box.reservation import Settlement
from rebox.box.service.hours import Hours
from rebox.errors import BudgetExhausted, InvalidOption
from rebox.meter import Account, Budget, Journal, JournalAccount, Payee
from rebox.rehearsal import Limits, Rehearsal, limits_of
from rebox.rehearsal.fault import Status

RATE = 3.6  # US dollars an hour: a tenth of a cent for each second
NANO = 10**9
LONGEST_S = 10.0
IMAGES = np.random.default_rng(3).integers(0, 256, (6, 8, 8, 3), dtype=np.uint8)


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def spec(**prices):
    known = {"identity": "timed", "classes": ("a", "b"), "height": 8, "width": 8}
    return BoxSpec(**known, **{"usd_per_hour": RATE} | prices)


def timed(cap=None, **prices):
    """Return a clock, an account with a cap in dollars, and how a send is reserved."""
    clock, account = Clock(), Account(Budget(usd=cap), Budget())
    _, plain = account.recall(IMAGES, "map", Payee("timed"))
    return clock, account, Hours(spec(**prices), LONGEST_S, clock).reserving(plain)


def test_each_answer_books_the_time_since_the_last():
    clock, account, reserve = timed()
    for pause, sending in ((0, 2), (5, 1), (3600, 4)):
        clock.now += pause
        held = reserve([0])
        clock.now += sending
        held.settle(Settlement(billed=1))
    assert account.spent.usd == pytest.approx(3612 * RATE / 3600)
    assert account.spent.billed == 3


def test_what_is_not_billed_is_booked_with_the_next():
    clock, account, reserve = timed()
    first = reserve([0])
    clock.now += 4
    first.settle(Settlement(billed=0, words="503"))
    assert account.spent.usd == 0
    second = reserve([0])
    clock.now += 1
    second.settle(Settlement(billed=1))
    assert account.spent.usd == pytest.approx(0.005)


@pytest.mark.parametrize("images", [1, 3, 7])
def test_images_of_a_send_share_its_time(images):
    clock, account, reserve = timed(price_usd=0.25)
    held = reserve(range(images))
    clock.now += 1
    held.settle(Settlement(billed=images))
    assert account.spent.usd == pytest.approx(0.001 + 0.25 * images, abs=images / NANO)


def test_sends_at_once_pay_for_their_time_once():
    clock, account, reserve = timed(cap=0.0101)  # ten seconds, and a little
    held = [reserve([0]) for _ in range(4)]
    clock.now += 6
    for one in held:
        one.settle(Settlement(billed=1))
    assert account.spent.usd == pytest.approx(0.006)


@pytest.mark.parametrize("at_once", [1, 2, 5])
@pytest.mark.parametrize("seed", range(4))
def test_a_cap_is_held_whatever_overlaps(at_once, seed):
    """Sends of any length up to their deadline, in any order: never a nano-dollar more."""
    rng, cap = np.random.default_rng(seed), 0.1
    clock, account, reserve = timed(cap=cap)
    under_way, refused = [], False
    while under_way or not refused:
        if not refused and len(under_way) < at_once:
            try:
                under_way.append((clock.now + rng.uniform(0, LONGEST_S), reserve([0])))
            except BudgetExhausted:
                refused = True
            continue
        under_way.sort(key=lambda one: one[0])
        clock.now, held = under_way.pop(0)
        held.settle(Settlement(billed=int(rng.random() > 0.2)))
    assert cap - 0.02 - LONGEST_S * RATE / 3600 < account.spent.usd <= cap


def test_an_account_that_refuses_starts_no_clock():
    clock, account, reserve = timed(cap=0.005)
    with pytest.raises(BudgetExhausted, match=r"\$3\.60 an hour here, and 10 s of it"):
        reserve([0])
    clock.now += 3600
    assert account.spent.usd == 0


def test_threads_count_every_second_once():
    clock, account, reserve = timed()

    def work():
        for _ in range(200):
            held = reserve([0])
            clock.now += 0.001
            held.settle(Settlement(billed=1))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert account.spent.usd == pytest.approx((clock.now - 100.0) * RATE / 3600, abs=1e-6)


# --- through a service ----------------------------------------------------------------------


def rehearsed(faults=(), **limits):
    limits = Limits(batch_size=1, usd_per_hour=RATE, **limits)
    return Rehearsal("vertex", RehearsalBox(classes=3, size=8), faults=faults, limits=limits)


def box_of(service, more=""):
    return open_box(f"{service.uri}&size=8&usd_per_hour={RATE}&back_off_s=0.01{more}")


def test_our_books_say_what_the_bill_says(tmp_path):
    with rehearsed([None, Status(503)], latency_s=0.1) as service, box_of(service) as box:
        account = journal_account(tmp_path)
        for _ in range(2):
            _, reserve = account.recall(IMAGES, "map", Payee.of(box), afresh=True)
            box.ask(IMAGES, reserve)
        bill = service.bill
    assert bill.queries == account.spent.billed == 12
    assert bill.usd > 0.3 * RATE / 3600
    assert account.spent.usd == pytest.approx(bill.usd, abs=0.3 * RATE / 3600)
    written = account.journal.billed("hours", "fit")
    assert (written.queries, written.nano_usd / NANO) == (12, account.spent.usd)


def journal_account(folder, **budget):
    return JournalAccount(
        Journal(folder / "j.sqlite"),
        name="hours",
        training=Budget(**budget),
        prediction=Budget(),
    )


def test_the_time_of_another_process_counts_against_the_cap(tmp_path):
    """The journal holds dollars: who goes on with the account has what is left of them."""
    with rehearsed(latency_s=0.2) as service:
        cap = 1.2 * RATE / 3600
        asked = []
        for _ in range(3):  # as processes that are started again
            with box_of(service, "&in_flight=1&timeout_s=0.5") as box:
                account = journal_account(tmp_path, usd=cap)
                _, reserve = account.recall(IMAGES, "map", Payee.of(box), afresh=True)
                with pytest.raises(BudgetExhausted):
                    box.ask(IMAGES, reserve)
                asked.append(account.spent.billed)
                total = account.journal.billed("hours", "fit").nano_usd / NANO
                account.close()
        assert asked[0] >= 2
        assert sum(asked[1:]) <= 1
        assert 0 < total <= cap


def test_a_fit_ends_with_what_it_has_learnt_when_the_hours_are_used_up(tmp_path):
    x = np.random.default_rng(0).integers(0, 256, (400, 8, 8, 3), dtype=np.uint8)
    cap = 3.0 * RATE / 3600
    with rehearsed(latency_s=0.02) as service:
        uri = f"{service.uri}&size=8&usd_per_hour={RATE}&in_flight=1&timeout_s=1.5"
        model = Reprogrammer(uri, "map", budget=400, max_usd=cap, random_state=0)
        model.fit(x, np.arange(400) % 2)
        assert "hours" in model.stop_reason_
        assert 0 < model.spent_.billed < 400
        assert 0 < model.spent_.usd <= cap
        assert len(model.predict(x[:1])) == 1
        model.box_.close()


def test_a_cap_in_dollars_caps_time_alone():
    x = np.zeros((8, 8, 8, 3), dtype=np.uint8)
    with rehearsed() as service:
        model = Reprogrammer(f"{service.uri}&size=8", budget=None, max_usd=5.0)
        with pytest.raises(InvalidOption, match=r"\$1.375 an hour .* pass budget=N queries, too"):
            model.fit(x, np.arange(8) % 2)


@pytest.mark.parametrize(
    ("uri", "per_query", "per_hour", "kept"),
    [
        ("huggingface:o/m?classes=a,b&usd_per_hour=0.6", 0.0, 0.6, True),
        ("huggingface:o/m?classes=a,b&usd_per_hour=0.6&price_usd=0.1", 0.1, 0.6, True),
        ("huggingface:o/m?classes=a,b", None, 0.0, True),
        ("clarifai:nsfw-recognition", 0.0012, 0.0, True),
        ("vertex:p/l/e?classes=a,b", 0.0, 1.375, True),
        ("vertex:p/l/e?classes=a,b&usd_per_hour=0", 0.0, 0.0, False),
        ("vertex:p/l/e?classes=a,b&base_url=http://localhost:1", 0.0, 1.375, False),
    ],
)
def test_what_is_paid_by_time_is_journalled_like_what_is_paid_by_image(
    uri, per_query, per_hour, kept
):
    box = open_box(uri)
    assert (box.spec.price_usd, box.spec.usd_per_hour) == (per_query, per_hour)
    assert box.journalled == kept


@pytest.mark.parametrize("price", ["-1", "inf", "nan", "much"])
def test_no_price_of_an_hour(price):
    with pytest.raises(InvalidOption, match="usd_per_hour"):
        open_box(f"vertex:p/l/e?classes=a,b&usd_per_hour={price}")


def test_what_google_asks_is_what_is_rehearsed():
    limits = limits_of("vertex")
    assert (limits.batch_size, limits.request_bytes) == (1, 1_500_000)
    assert (limits.price_usd, limits.usd_per_hour) == (0.0, 1.375)
