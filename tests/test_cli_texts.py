"""Texts on the command line: a table, a folder and an archive, through every command that reads."""

import csv
import io
import json
from unittest import mock

import numpy as np
import pytest
from recordings import recording, uri
from texts import reviews
from typer.testing import CliRunner

from rebox.box import FunctionBox
from rebox.cli.app import app
from rebox.errors import ServiceError

X, Y = reviews(60)
NAMED = ("--text-column", "Review", "--label-column", "mark")


def run(*arguments):
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert result.exit_code == 0, result.output
    return result.output


def table(folder):
    rows = zip(X, Y, strict=True)
    with (folder / "d.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("Review", "mark"), *rows])
    return folder / "d.csv"


def files(folder):
    for place, (text, label) in enumerate(zip(X, Y, strict=True)):
        path = folder / "d" / label / f"{place:02}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-16")
    return folder / "d"


def archive(folder):
    np.savez(folder / "d.npz", texts=X, y=Y)
    return folder / "d.npz"


def rows_of(path):
    return list(csv.DictReader(io.StringIO(path.read_text())))


@pytest.mark.parametrize(
    ("make", "named", "known_by", "name"),
    [
        (table, NAMED, "row", "d.csv[0]"),
        (files, (), "path", "d/blame/01.txt"),
        (archive, (), "row", "d.npz[0]"),
    ],
)
def test_every_command_reads_texts(make, named, known_by, name, tmp_path):
    data, model = make(tmp_path), tmp_path / "m.rebox"
    figures = tmp_path / "f.json"
    fitted = ("--recipe", "local", "--hold-out", "0.25", "--out", model, "--json", figures)
    assert "accuracy" in run("fit", "--data", data, *named, *fitted)
    assert json.loads(figures.read_text())["images"] in {14, 15}
    assert "asks nobody" in run("show", model)
    run("predict", model, data, *named[:2], "--out", tmp_path / "p.csv")
    rows = rows_of(tmp_path / "p.csv")
    assert len(rows) == 60
    assert any(row[known_by].endswith(name) for row in rows)
    assert "60 samples" in run("evaluate", model, "--data", data, *named)
    assert "60, of" in run("task", "show", data, *named)
    assert "0 queries" in run("estimate", "--data", data, *named, "--recipe", "local")


def test_texts_beside_ids_are_asked_about_by_those_and_looked_at(tmp_path):
    box = uri(recording(tmp_path / "a.npz", classes=2))
    rows = [(f"s{i:03}.jpg", text, label) for i, (text, label) in enumerate(zip(X, Y, strict=True))]
    with (tmp_path / "d.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("id", "text", "label"), *rows])
    data, model = tmp_path / "d.csv", tmp_path / "m.rebox"
    asked = ("--box", box, "--budget", 60, "--journal", "none", "--out", model, "--yes")
    assert "local" in run("fit", "--data", data, *asked)
    run("predict", model, data, "--out", tmp_path / "p.csv", "--journal", "none", "--yes")
    assert [row["id"] for row in rows_of(tmp_path / "p.csv")] == [row[0] for row in rows]
    ids = tmp_path / "ids.csv"
    ids.write_text("id\ns000.jpg\n")
    arguments = ["predict", str(model), str(ids), "--out", str(tmp_path / "q.csv")]
    refused = CliRunner().invoke(app, [*arguments, "--journal", "none"])
    assert "looks at what it asks about" in str(refused.exception)


def test_a_probe_whose_picture_is_refused_says_how_to_show_a_text():
    class BlindBox(FunctionBox):
        prompt = "What is it?"

        def answer(self, images):
            raise ServiceError("the service answered 400 (this model takes no images).")

    box = BlindBox(len, classes=["a", "b"], size=8, price_usd=0.0)
    with mock.patch("rebox.cli.boxes.open_box", return_value=box):
        result = CliRunner().invoke(app, ["box", "probe", "chat:m", "--yes", "--journal", "none"])
    assert isinstance(result.exception, ServiceError)
    assert "takes no images). If it sees no pictures, probe it with takes=texts." in str(
        result.exception
    )


def test_a_probe_and_a_prompt_go_by_the_place_for_a_text(tmp_path):
    words = tmp_path / "p.txt"
    words.write_text("Good?\n{options}\nReview: {text}\n{answer}")
    said = run("box", "prompt", f"chat:m?classes=good,bad&prompt={words}")
    assert said.startswith("Good?\nA. good\nB. bad\nReview: {text}\n")
