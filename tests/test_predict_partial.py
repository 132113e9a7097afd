"""Predictions that end early, go on, pass over bad files, and names of every kind."""

import csv
import os
import shutil
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import rebox
from rebox.box.rehearsal import RehearsalBox
from rebox.cli import main
from rebox.errors import BoxError, BudgetExhausted, Error, QuotaSpent
from rebox.fit import StopFit

BOX = "rehearsal:?classes=4&size=8"
COUNT = 80  # images: asked about 32 at a time


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with a model, and images to predict."""
    folder = tmp_path_factory.mktemp("made")
    rng = np.random.default_rng(0)
    levels = np.tile([0, 120], COUNT // 2)
    x = (rng.integers(0, 130, (COUNT, 8, 8, 3)) + levels[:, None, None, None]).astype(np.uint8)
    (folder / "new").mkdir()
    for i, pixels in enumerate(x):
        Image.fromarray(pixels).save(folder / "new" / f"{i:02}.png")
    model = rebox.Reprogrammer(BOX, "map", budget=20, random_state=0)
    model.fit(x, np.array(["=dark", 'li,"ght\n'])[(levels > 0).astype(int)]).save(
        folder / "m.rebox"
    )
    return folder


@pytest.fixture
def place(made, tmp_path, monkeypatch):
    """The same in a folder of the test's own, which is where it is."""
    shutil.copytree(made, tmp_path / "w")
    monkeypatch.chdir(tmp_path / "w")
    return tmp_path / "w"


@pytest.fixture
def predict(monkeypatch, capsys, place):
    """`rebox predict` in this process: its exit code, and what it said."""

    def run(*arguments, given=("new",)):
        command = ["rebox", "predict", "m.rebox", *given, *arguments]
        monkeypatch.setattr(sys, "argv", list(map(str, command)))
        capsys.readouterr()
        with warnings.catch_warnings(action="always"), pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return ended.value.code or 0, said.out + said.err

    return run


class Box:
    """What the box was asked, and when it fails."""

    def __init__(self, monkeypatch):
        self.asked, self.most, self.error = 0, None, None
        answer = RehearsalBox.answer

        def failing(box, images):
            if self.most is not None and self.asked + len(images) > self.most:
                raise self.error
            self.asked += len(images)
            return answer(box, images)

        monkeypatch.setattr(RehearsalBox, "answer", failing)

    def fail(self, after, error):
        self.asked, self.most, self.error = 0, after, error

    def mend(self):
        self.asked, self.most = 0, None


@pytest.fixture
def box(monkeypatch, place):
    return Box(monkeypatch)


def rows_of(path):
    with Path(path).open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        return list(csv.reader(file))


ENDS = {
    "the box fails": (BoxError("gone"), 2),
    "its quota is spent": (QuotaSpent("no more today"), 2),
    "the budget is spent": (BudgetExhausted("no more"), 2),
    "Ctrl-C": (KeyboardInterrupt(), 130),
}


# --- ended early ----------------------------------------------------------------------------------


@pytest.mark.parametrize("why", ENDS)
@pytest.mark.parametrize("after", [32, 64])
def test_what_was_paid_for_is_kept_apart_from_what_is_whole(predict, place, box, why, after):
    predict("--out", "whole.csv")
    box.fail(after, ENDS[why][0])
    (place / "p.csv").write_text("of yesterday")
    code, said = predict("--out", "p.csv")
    assert code == ENDS[why][1]
    assert (place / "p.csv").read_text() == "of yesterday"
    assert f"p.csv.partial has {after} of 80 rows" in said.replace("\n", "")
    assert f"asked {min(after + 32, COUNT)} queries" in said  # those that failed were sent
    assert rows_of("p.csv.partial")[1:] == rows_of("whole.csv")[: after + 1]


@pytest.mark.parametrize("more", [(), ("--resume",), ("--journal", "j.sqlite")])
def test_a_file_that_another_prediction_writes_to_is_left_to_it(predict, place, monkeypatch, more):
    """Both would pay for the same rows, and each might take the other's for its own."""
    others, answer = [], RehearsalBox.answer

    def answering(box, images):
        if not others and (place / "p.csv.partial").exists():
            others.append(None)
            others.append(predict("--out", "p.csv", *more))
        return answer(box, images)

    monkeypatch.setattr(RehearsalBox, "answer", answering)
    assert predict("--out", "p.csv", *more)[0] == 0
    code, said = others[1]
    assert (code, "asked" in said) == (2, False)
    assert "another prediction is writing to" in said
    assert len(rows_of("p.csv")) == COUNT + 1


@pytest.mark.parametrize("content", [None, b"", b"of another, which is not whole"])
def test_what_takes_the_place_of_the_partial_file_is_not_taken_for_the_whole(
    predict, place, box, monkeypatch, content
):
    predict("--out", "whole.csv")
    answer, partial = RehearsalBox.answer, place / "p.csv.partial"

    def answering(self, images):
        if partial.exists():
            partial.unlink()
            if content is not None:
                partial.write_bytes(content)
        return answer(self, images)

    monkeypatch.setattr(RehearsalBox, "answer", answering)
    assert predict("--out", "p.csv")[0] == 0
    assert (place / "p.csv").read_bytes() == (place / "whole.csv").read_bytes()


@pytest.mark.skipif(os.name == "nt", reason="pipes and links of POSIX")
@pytest.mark.parametrize("kind", ["pipe", "link to a device", "folder"])
def test_rows_do_not_stand_in_what_is_no_file(predict, place, box, kind):
    partial = place / "p.csv.partial"
    if kind == "pipe":
        os.mkfifo(partial)
    elif kind == "folder":
        partial.mkdir()
    else:
        partial.symlink_to("/dev/zero")
    code, said = predict("--out", "p.csv")
    assert (code, box.asked) == (2, 0)
    assert "p.csv.partial" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("after", [32, 64])
@pytest.mark.parametrize("why", ["the box fails", "Ctrl-C"])
def test_a_rerun_goes_on_where_it_stopped(predict, place, box, why, after):
    predict("--out", "whole.csv")
    box.fail(after, ENDS[why][0])
    predict("--out", "p.csv")
    box.mend()
    code, said = predict("--out", "p.csv", "--resume")
    assert code == 0, said
    assert box.asked == COUNT - after
    assert (place / "p.csv").read_bytes() == (place / "whole.csv").read_bytes()
    assert not (place / "p.csv.partial").exists()


def test_it_may_be_ended_again_and_again(predict, place, box):
    predict("--out", "whole.csv")
    for after in (32, 32, 0):
        box.fail(after, BoxError("gone"))
        assert predict("--out", "p.csv", "--resume")[0] == 2
    box.mend()
    assert predict("--out", "p.csv", "--resume")[0] == 0
    assert box.asked == COUNT - 64
    assert (place / "p.csv").read_bytes() == (place / "whole.csv").read_bytes()


def test_nothing_is_left_where_nothing_was_answered(predict, place, box):
    box.fail(0, BoxError("gone"))
    code, said = predict("--out", "p.csv")
    assert code == 2
    assert "nothing was written to p.csv" in said
    assert not list(place.glob("p.csv*"))


def test_without_resume_all_is_asked_again_and_that_is_said(predict, place, box):
    box.fail(32, BoxError("gone"))
    predict("--out", "p.csv")
    box.mend()
    code, said = predict("--out", "p.csv")
    assert code == 0
    assert "warning: " in said
    assert "--resume" in said
    assert box.asked == COUNT


@pytest.mark.parametrize("after", [32, 64])
@pytest.mark.parametrize("more", [(), ("--yes",), ("--journal", "none")])
def test_rows_that_were_paid_for_are_not_asked_for_again(
    predict, place, box, monkeypatch, after, more
):
    monkeypatch.setattr(RehearsalBox, "remote", True)
    whole = predict("--out", "whole.csv", "--journal", "none")
    assert whole[0] == 0, whole
    box.fail(after, BoxError("gone"))
    predict("--out", "p.csv", "--journal", "none")
    box.mend()
    code, said = predict("--out", "p.csv", *(more or ("--journal", "other.sqlite")))
    assert (code, box.asked) == (2, 0), said
    assert f"holds {after} rows of this very prediction, which would be paid for again" in said
    assert predict("--out", "p.csv", "--journal", "none", "--resume")[0] == 0
    assert box.asked == COUNT - after
    assert (place / "p.csv").read_bytes() == (place / "whole.csv").read_bytes()


def test_a_journal_answers_what_was_answered_and_needs_no_resume(predict, place, box):
    predict("--out", "whole.csv", "--journal", "other.sqlite")
    box.fail(64, BoxError("gone"))
    assert predict("--out", "p.csv", "--journal", "j.sqlite")[0] == 2
    box.mend()
    code, said = predict("--out", "p.csv", "--journal", "j.sqlite")
    assert code == 0
    assert "warning" not in said
    assert box.asked == COUNT - 64
    assert (place / "p.csv").read_bytes() == (place / "whole.csv").read_bytes()


@pytest.mark.parametrize("journal", ["j.sqlite", "none"])
def test_rows_without_a_journal_are_not_paid_for_again_with_one(predict, box, journal):
    box.fail(64, BoxError("gone"))
    assert predict("--out", "p.csv", "--journal", "none")[0] == 2
    box.mend()
    assert predict("--out", "p.csv", "--journal", journal, "--resume")[0] == 0
    assert box.asked == COUNT - 64


def test_an_image_listed_twice_is_asked_as_in_one_go(predict, place, box):
    """How often a journal was asked about an image counts from the first in every run."""
    listed = [f"new/{i % 10:02}.png" for i in range(COUNT)]
    (place / "t.csv").write_text("path\n" + "\n".join(listed) + "\n")
    box.fail(64, BoxError("gone"))
    predict("--out", "p.csv", "--journal", "j.sqlite", given=("t.csv",))
    box.mend()
    arguments = ("--out", "p.csv", "--journal", "j.sqlite", "--resume")
    assert predict(*arguments, given=("t.csv",))[0] == 0
    assert box.asked == 16


CUTS = {
    "in a number": lambda content: content[:-3],
    "in a name": lambda content: content[: content.rindex(b"new/") + 6],
    "at the end of a line": lambda content: content[: content.rindex(b"new/")],
    "after the header": lambda content: content[: content.index(b"new/")],
    "after the mark": lambda content: content[: content.index(b"\n") + 1],
}


@pytest.mark.parametrize("cut", CUTS)
def test_a_partial_file_that_was_cut_loses_no_more_than_a_row(predict, place, box, cut):
    predict("--out", "whole.csv")
    box.fail(32, BoxError("gone"))
    predict("--out", "p.csv")
    partial = place / "p.csv.partial"
    partial.write_bytes(CUTS[cut](partial.read_bytes()))
    box.mend()
    assert predict("--out", "p.csv", "--resume")[0] == 0
    assert box.asked == (COUNT if cut.startswith("after") else COUNT - 31)
    assert (place / "p.csv").read_bytes() == (place / "whole.csv").read_bytes()


def another_image(place):
    Image.new("RGB", (8, 8)).save(place / "new" / "40.png")


def fewer_images(place):
    (place / "new" / "79.png").unlink()


def another_model(place):
    images, _ = rebox.sample.load_unlabelled([place / "new"])
    labels = np.tile(["=dark", 'li,"ght\n'], COUNT // 2)
    rebox.Reprogrammer(BOX, "map", budget=30, random_state=1).fit(images, labels).save("m.rebox")


def not_ours(place):
    (place / "p.csv.partial").write_text("a file of the user's own\n")


@pytest.mark.parametrize("change", [another_image, fewer_images, another_model, not_ours])
@pytest.mark.parametrize("resume", [True, False])
def test_what_another_prediction_left_is_neither_taken_nor_lost(
    predict, place, box, change, resume
):
    box.fail(32, BoxError("gone"))
    predict("--out", "p.csv")
    box.mend()
    change(place)
    before, asked = (place / "p.csv.partial").read_bytes(), box.asked
    code, said = predict("--out", "p.csv", *["--resume"][: int(resume)])
    assert (code, box.asked) == (2, asked)
    assert "was left by another prediction" in said
    assert (place / "p.csv.partial").read_bytes() == before


def test_a_stream_that_ends_early_says_so(predict, box):
    box.fail(32, BoxError("gone"))
    code, said = predict("--out", "-")
    assert code == 2
    assert "standard output has 32 of 80 rows" in said


def test_rows_that_are_all_there_are_only_given_their_name(predict, place, box, monkeypatch):
    """Killed after the last row: nothing is left to ask."""

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("rebox.cli.predictions.Predictions._copy_rows", killed)
        predict("--out", "p.csv")
    asked = box.asked
    assert predict("--out", "p.csv", "--resume")[0] == 0
    assert box.asked == asked
    assert len(rows_of("p.csv")) == COUNT + 1


@pytest.mark.skipif(os.name == "nt", reason="links of POSIX")
def test_a_link_to_predictions_stays_one(predict, place, box):
    (place / "elsewhere").mkdir()
    (place / "p.csv").symlink_to("elsewhere/x.csv")
    box.fail(32, BoxError("gone"))
    predict("--out", "p.csv")
    assert (place / "elsewhere" / "x.csv.partial").exists()
    box.mend()
    assert predict("--out", "p.csv", "--resume")[0] == 0
    assert (place / "p.csv").is_symlink()
    assert len(rows_of("elsewhere/x.csv")) == COUNT + 1


def test_arrays_are_not_files_to_pass_over(predict, place, box):
    """They are refused before the canaries are paid for."""
    x = np.full((4, 8, 8, 3), 0.5)
    x[2, 0, 0, 0] = np.nan
    np.savez(place / "x.npz", x=x)
    rebox.Reprogrammer(BOX, "map", budget=40, canaries=3, random_state=0).fit(
        np.random.default_rng(0).random((20, 8, 8, 3)), np.tile([0, 1], 10)
    ).save("m.rebox")
    asked = box.asked
    code, said = predict("--skip-bad", "--check", given=("x.npz",))
    assert (code, box.asked) == (2, asked)
    assert "NaN" in said


# --- in Python ------------------------------------------------------------------------------------


@pytest.mark.parametrize("why", ENDS)
@pytest.mark.parametrize("after", [0, 32, 64])
def test_an_error_carries_what_was_answered(place, box, why, after):
    model = rebox.Reprogrammer.load("m.rebox")
    images, _ = rebox.sample.load_unlabelled(["new"])
    whole = model.predict_proba(images)
    box.fail(after, ENDS[why][0])
    with pytest.raises((Error, KeyboardInterrupt)) as ended:
        model.predict_proba(images)
    np.testing.assert_array_equal(ended.value.answered, whole[:after])
    assert ended.value.answered.shape == (after, 2)


@pytest.mark.parametrize("error", [BrokenPipeError(), MemoryError(), StopFit(), SystemExit(3)])
def test_an_error_of_anybody_carries_what_was_answered(place, box, error):
    def listener(event):
        if getattr(event, "step", 0) == 2:
            raise error

    images, _ = rebox.sample.load_unlabelled(["new"])
    whole = rebox.Reprogrammer.load("m.rebox").predict_proba(images)
    model = rebox.Reprogrammer.load("m.rebox", listeners=[listener])
    with pytest.raises(type(error)) as ended:
        model.predict_proba(images)
    np.testing.assert_array_equal(ended.value.answered, whole[:64])


def test_batches_are_the_predictions_and_ask_no_more_than_is_gone_on_to(place, box):
    model = rebox.Reprogrammer.load("m.rebox")
    images, _ = rebox.sample.load_unlabelled(["new"])
    whole = model.predict_proba(images)
    box.mend()
    batches = model.predict_proba_batches(images)
    first = next(batches)
    batches.close()
    assert box.asked == len(first) == 32
    np.testing.assert_array_equal(np.concatenate(list(model.predict_proba_batches(images))), whole)
    np.testing.assert_array_equal(first, whole[:32])


# --- bad files ------------------------------------------------------------------------------------

BAD = {
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:40]),
    "prose": lambda path: path.write_text("no image"),
    "a broken link": lambda path: (path.unlink(), path.symlink_to("missing")),
}


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("places", [(0,), (31, 32, 33), (78, 79)])
def test_bad_files_are_passed_over_if_asked(predict, place, box, kind, places):
    predict("--out", "whole.csv")
    (place / "t.csv").write_text("path\n" + "".join(f"new/{i:02}.png\n" for i in range(COUNT)))
    for i in places:
        BAD[kind](place / "new" / f"{i:02}.png")
    box.mend()
    code, said = predict("--out", "p.csv", given=("t.csv",))
    assert (code, box.asked) == (2, 0)
    assert f"new/{places[0]:02}.png" in said
    code, said = predict("--out", "p.csv", "--skip-bad", given=("t.csv",))
    assert code == 0, said
    assert f"passed over {len(places)} of 80 samples" in said
    assert box.asked == COUNT - len(places)
    expected = rows_of("whole.csv")
    for i in places:
        expected[i + 1] = [f"new/{i:02}.png", "", "", ""]
    assert rows_of("p.csv") == expected


def test_all_bad_files_are_counted_and_a_few_named(predict, place, box):
    for i in range(10):
        (place / "new" / f"{i:02}.png").write_bytes(b"")
    code, said = predict("--out", "p.csv")
    assert (code, box.asked) == (2, 0)
    assert "10 of 80 images cannot be used" in said
    assert "and 7 more" in said
    assert said.count("\n") == 1


def test_where_all_are_bad_nothing_can_be_said(predict, place, box):
    for path in (place / "new").iterdir():
        path.write_bytes(b"")
    code, said = predict("--out", "p.csv", "--skip-bad")
    assert (code, box.asked) == (2, 0)
    assert "none of 80 samples can be used" in said


def test_a_prediction_that_passes_over_goes_on_as_well(predict, place, box):
    for i in (3, 40, 79):
        (place / "new" / f"{i:02}.png").write_bytes(b"")
    predict("--out", "whole.csv", "--skip-bad")
    box.fail(32, BoxError("gone"))
    assert predict("--out", "p.csv", "--skip-bad")[0] == 2
    box.mend()
    assert predict("--out", "p.csv", "--skip-bad", "--resume")[0] == 0
    assert box.asked == COUNT - 3 - 32
    assert (place / "p.csv").read_bytes() == (place / "whole.csv").read_bytes()


def test_bad_files_are_refused_before_the_canaries_are_paid_for(predict, place, box):
    (place / "new" / "05.png").write_bytes(b"")
    assert predict("--check", "--out", "p.csv")[0] == 2
    assert box.asked == 0


# --- names ----------------------------------------------------------------------------------------

NAMES = [
    b"caf\xe9.png",
    b"\xff\xfe.png",
    "ü".encode() + b"\xe9.png",
    b"a,b.png",
    b'a"b.png',
    b"a\nb.png",
    b"a\rb.png",
    b"a\r\nb.png",
    b"=1+1.png",
    b"#a.png",
    b" a .png",
    b"\x1b[31m.png",
    "\u202egnp.png".encode(),
]


@pytest.mark.skipif(sys.platform != "linux", reason="names are bytes on Linux")
@pytest.mark.parametrize("name", NAMES)
def test_names_of_any_bytes_come_back(predict, place, box, name):
    (place / "new" / "40.png").rename(os.fsdecode(b"new/" + name))
    box.fail(64, BoxError("gone"))
    assert predict("--out", "p.csv")[0] == 2
    box.mend()
    code, said = predict("--out", "p.csv", "--resume")
    assert code == 0, said
    rows = rows_of("p.csv")
    assert len(rows) == COUNT + 1
    assert os.fsdecode(b"new/" + name) in [row[0] for row in rows]
    assert b"new/" + name.replace(b'"', b'""') in (place / "p.csv").read_bytes()
    assert {row[1] for row in rows[1:]} == {"=dark", 'li,"ght\n'}
    assert rows[0] == ["path", "label", "p_=dark", 'p_li,"ght\n']


@pytest.mark.skipif(sys.platform != "linux", reason="names are bytes on Linux")
@pytest.mark.parametrize("name", NAMES)
def test_an_error_about_any_name_is_one_line(predict, place, box, name):
    (place / "new" / "40.png").unlink()
    Path(os.fsdecode(b"new/" + name)).write_bytes(b"")
    code, said = predict("--out", "p.csv")
    assert (code, box.asked) == (2, 0)
    assert said.count("\n") == 1
    assert said.rstrip("\n").isprintable()
