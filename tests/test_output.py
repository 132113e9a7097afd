"""Where results are written: files, links, pipes, devices, and what stands there already."""

import contextlib
import errno
import json
import os
import shlex
import shutil
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import rebox
from rebox.cli import main
from rebox.errors import OutputError
from rebox.output import check_writable, encoded, write
from rebox.sample import Dataset, ImageFiles
from rebox.study.bench import Places, append, check_ledger, read_ledger, run

pytestmark = pytest.mark.slow

BOX = "rehearsal:?classes=4&size=8"
posix = pytest.mark.skipif(os.name == "nt", reason="links, pipes and devices of POSIX")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with a model of two classes, and the images that it was fitted on."""
    folder = tmp_path_factory.mktemp("made")
    rng = np.random.default_rng(0)
    for name, level in (("dark", 0), ("light", 120)):
        (folder / "data" / name).mkdir(parents=True)
        for i in range(20):
            pixels = rng.integers(0, 130, (8, 8, 3)) + level
            Image.fromarray(pixels.astype(np.uint8)).save(folder / "data" / name / f"{i:02}.png")
    task = rebox.load(folder / "data")
    model = rebox.Reprogrammer(BOX, "map", budget=20, random_state=0)
    model.fit(task.images, task.labels).save(folder / "m.rebox")
    return folder


@pytest.fixture
def place(made, tmp_path):
    """The same in a folder of the test's own, which is where it is."""
    shutil.copytree(made, tmp_path / "w")
    return tmp_path / "w"


@pytest.fixture
def command(monkeypatch, capsys, place):
    """The command line in this process: its exit code, and what it said on both."""

    def run(*arguments):
        monkeypatch.chdir(place)
        monkeypatch.setattr(sys, "argv", ["rebox", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return ended.value.code or 0, said.out, said.err

    return run


@pytest.fixture
def asked(monkeypatch):
    """How many images any box was asked about."""
    from rebox.box.rehearsal import RehearsalBox

    counted, answer = [], RehearsalBox.answer

    def counting(box, images):
        counted.append(len(images))
        return answer(box, images)

    monkeypatch.setattr(RehearsalBox, "answer", counting)
    return counted


FIT = ("fit", "--box", BOX, "--data", "data", "--recipe", "map", "--budget", "20")
COMMANDS = {
    "model": (*FIT, "--out"),
    "fit json": (*FIT, "--out", "other.rebox", "--json"),
    "predictions": ("predict", "m.rebox", "data", "--out"),
    "evaluate json": ("evaluate", "m.rebox", "--data", "data", "--json"),
}
every = pytest.mark.parametrize("what", COMMANDS)


# --- what a path may be ---------------------------------------------------------------------------


def link_to(target, path):
    path.symlink_to(target)


LINKS = {
    "link": lambda folder: link_to("target", folder / "given"),
    "absolute": lambda folder: link_to(folder / "target", folder / "given"),
    "chain": lambda folder: [link_to("target", folder / "l"), link_to("l", folder / "given")],
    "elsewhere": lambda folder: [
        (folder / "sub").mkdir(),
        link_to("../target", folder / "sub" / "l"),
        link_to("sub/l", folder / "given"),
    ],
}


@posix
@pytest.mark.parametrize("kind", LINKS)
@pytest.mark.parametrize("there", [True, False], ids=["target there", "dangling"])
def test_links_stay_and_their_targets_get_the_content(tmp_path, kind, there):
    LINKS[kind](tmp_path)
    if there:
        (tmp_path / "target").write_bytes(b"before")
        (tmp_path / "target").chmod(0o640)
    links = {path: path.readlink() for path in tmp_path.rglob("*") if path.is_symlink()}
    check_writable(tmp_path / "given")
    write(tmp_path / "given", b"after")
    assert (tmp_path / "target").read_bytes() == b"after"
    assert {path: path.readlink() for path in links} == links
    if there:
        assert stat.S_IMODE((tmp_path / "target").stat().st_mode) == 0o640
    assert not list(tmp_path.rglob("*.part"))


@posix
@every
def test_every_command_writes_through_links(command, place, what):
    (place / "target").write_bytes(b"")
    (place / "given").symlink_to("target")
    code, _, said = command(*COMMANDS[what], "given")
    assert code == 0, said
    assert (place / "given").is_symlink()
    assert (place / "target").stat().st_size > 100
    assert not [path for path in place.iterdir() if path.suffix in {".part", ".partial"}]


def made_kind(kind, folder):
    """Make something at ``folder / given`` that cannot be written; return what keeps it there."""
    path = folder / "given"
    if kind == "folder":
        path.mkdir()
    elif kind == "link to a folder":
        link_to(folder, path)
    elif kind == "circle of links":
        link_to("given", path)
    elif kind == "link into a missing folder":
        link_to("missing/target", path)
    elif kind == "full device":
        link_to("/dev/full", path)
    elif kind == "socket":
        bound = socket.socket(socket.AF_UNIX)
        bound.bind(os.path.relpath(path))
        return bound
    return contextlib.nullcontext()


REFUSED = {
    "folder": "is a folder",
    "link to a folder": "is a folder",
    "circle of links": "symbolic links",
    "link into a missing folder": "there is no folder",
    "full device": "no room",
    "socket": "is a socket",
}


@posix
@pytest.mark.parametrize("kind", REFUSED)
@every
def test_what_cannot_be_written_is_refused_before_a_query(
    command, place, asked, monkeypatch, kind, what
):
    monkeypatch.chdir(place)
    with made_kind(kind, place):
        before = sorted(place.rglob("*"))
        code, _, said = command(*COMMANDS[what], "given")
    assert code == 2
    assert said.count("\n") == 1
    assert REFUSED[kind] in said
    assert not asked
    assert sorted(place.rglob("*")) == before


@pytest.mark.parametrize("given", ["missing/x", "m.rebox/x", "a" * 300, ""])
@every
def test_paths_that_lead_nowhere_are_refused_before_a_query(command, asked, given, what):
    code, _, said = command(*COMMANDS[what], given)
    assert (code, asked) == (2, [])
    assert said.startswith("rebox: error: ")
    assert said.count("\n") == 1


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="/proc of Linux")
@pytest.mark.parametrize("given", ["/proc/x", "/proc/self/x", "/proc/self/fdinfo/x"])
def test_a_folder_that_takes_no_file_is_not_said_to_be_missing(given):
    with pytest.raises(OutputError, match="cannot write") as refused:
        check_writable(Path(given))
    assert "there is no folder" not in str(refused.value)


@posix
def test_a_terminal_that_is_not_there_is_refused_before_a_query():
    line = "import pathlib, rebox.output as o; o.check_writable(pathlib.Path('/dev/tty'))"
    ended = subprocess.run(
        [sys.executable, "-c", line],
        start_new_session=True,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.stderr.splitlines()[-1].startswith(
        "rebox.errors.OutputError: cannot write /dev/tty"
    )


@posix
@pytest.mark.parametrize("kind", ["folder", "file"])
def test_what_may_only_be_read_is_refused(unprivileged, kind):
    target = unprivileged.folder / "given"
    if kind == "file":
        target.write_bytes(b"before")
    with unprivileged.reading_only(), pytest.raises(OutputError, match="cannot write"):
        check_writable(target)
    if kind == "folder":
        return
    target.chmod(0o444)  # in a folder that is open, where it could be replaced
    unprivileged.folder.chmod(0o777)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        with pytest.raises(OutputError, match="only be read"):
            write(target, b"after")
    finally:
        if root:
            os.seteuid(0)
    assert target.read_bytes() == b"before"


def test_a_disk_without_room_is_found_out_before_a_query(command, place, asked, monkeypatch):
    def no_room(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_room)
    code, _, said = command(*COMMANDS["model"], "new.rebox")
    assert (code, asked) == (2, [])
    assert "No space left" in said
    assert not list(place.glob(".rebox-*"))


@pytest.mark.parametrize("number", [28, 122, 5])
def test_a_model_that_cannot_be_written_any_more_is_kept_elsewhere(
    command, place, monkeypatch, tmp_path, number
):
    """It has been paid for, and nothing but its file holds what was learnt."""
    kept = tmp_path / "kept"
    kept.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(kept))

    def gone(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "replace", gone)
    code, out, said = command(*FIT, "--out", "new.rebox")
    monkeypatch.undo()
    assert "asked 20 queries" in out
    (spare,) = kept.glob("*.rebox")
    assert code == 2
    assert os.strerror(number) in said
    assert f"kept as {spare}" in said
    assert rebox.Reprogrammer.load(spare).classes_.tolist() == ["dark", "light"]


@pytest.mark.parametrize("number", [errno.EBUSY, errno.EPERM])
@every
def test_a_file_that_cannot_be_replaced_is_written_over(command, place, monkeypatch, what, number):
    """As one that is mounted into a container: its folder may not even be there outside."""
    target = place / "given"
    target.write_bytes(b"")
    before = target.stat().st_ino

    replace = Path.replace

    def refused(part, to):
        if to == target:
            raise OSError(number, os.strerror(number))
        return replace(part, to)

    monkeypatch.setattr(Path, "replace", refused)
    code, _, said = command(*COMMANDS[what], "given")
    assert code == 0, said
    assert target.stat().st_size > 100
    assert target.stat().st_ino == before
    assert not list(place.glob(".rebox-*"))


@pytest.mark.parametrize("force", [(), ("--force",)])
def test_a_model_that_another_fit_has_written_meanwhile_is_not_lost(
    command, place, monkeypatch, tmp_path, force
):
    """Both have been paid for: two fits at once may have the same name by default."""
    from rebox.box.rehearsal import RehearsalBox

    kept, answer = tmp_path / "kept", RehearsalBox.answer
    kept.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(kept))

    def answering(box, images):
        (place / "new.rebox").write_bytes(b"of another fit")
        return answer(box, images)

    monkeypatch.setattr(RehearsalBox, "answer", answering)
    code, out, said = command(*FIT, "--out", "new.rebox", *force)
    assert "asked 20 queries" in out
    if force:
        assert code == 0
        assert rebox.Reprogrammer.load(place / "new.rebox").classes_.tolist() == ["dark", "light"]
        return
    (spare,) = kept.glob("*.rebox")
    assert code == 2
    assert "new.rebox is there already: pass --force" in said
    assert f"the model is kept as {spare}" in said
    assert (place / "new.rebox").read_bytes() == b"of another fit"
    assert rebox.Reprogrammer.load(spare).classes_.tolist() == ["dark", "light"]


# --- streams --------------------------------------------------------------------------------------


def read_beside(path, into):
    thread = threading.Thread(target=lambda: into.append(path.read_bytes()))
    thread.start()
    return thread


@posix
@every
def test_a_pipe_with_a_name_is_written_to(command, place, what):
    os.mkfifo(place / "given")
    got = []
    reader = read_beside(place / "given", got)
    code, _, said = command(*COMMANDS[what], "given")
    reader.join(20)
    assert code == 0, said
    assert len(got[0]) > 100
    assert stat.S_ISFIFO((place / "given").stat().st_mode)


@posix
@pytest.mark.parametrize("through", ["", "link"])
@every
def test_a_device_is_written_to_and_stays(command, place, what, through):
    """As root, to replace /dev/null would break the machine: a copy of it stands for it."""
    try:
        os.mknod(place / "null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        (place / "null").write_bytes(b"")
    except OSError:
        pytest.skip("no devices can be made here")
    if through:
        (place / "link").symlink_to("null")
    before = (place / "null").lstat()
    code, _, said = command(*COMMANDS[what], through or "null")
    assert code == 0, said
    after = (place / "null").lstat()
    assert (after.st_ino, after.st_mode, after.st_rdev) == (
        before.st_ino,
        before.st_mode,
        before.st_rdev,
    )


@posix
def test_disks_are_no_streams(tmp_path):
    try:
        os.mknod(tmp_path / "disk", 0o600 | stat.S_IFBLK, os.makedev(7, 240))
    except OSError:
        pytest.skip("no devices can be made here")
    for writes in (check_writable, lambda path: write(path, b"x")):
        with pytest.raises(OutputError, match="block device"):
            writes(tmp_path / "disk")


def shell(place, line, **more):
    """Run a line of bash, in which ``rebox`` is the command line."""
    rebox_ = f'rebox() {{ {sys.executable} -c "from rebox.cli import main; main()" "$@"; }}; '
    return subprocess.run(
        ["/bin/bash", "-o", "pipefail", "-c", rebox_ + line],
        cwd=place,
        check=False,
        capture_output=True,
        **more,
    )


@posix
@pytest.mark.parametrize("given", ["-", "/dev/stdout", "/dev/fd/1", "link"])
def test_predictions_to_standard_output_are_all_there_is_on_it(place, given):
    (place / "link").symlink_to("/dev/stdout")
    done = shell(place, f"rebox predict m.rebox data --out {given}")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.decode().splitlines()
    assert lines[0] == "path,label,p_dark,p_light"
    assert len(lines) == 41
    assert b"asked 40 queries" in done.stderr
    assert sorted(path.name for path in place.iterdir()) == ["data", "link", "m.rebox"]


@posix
def test_other_results_go_to_standard_output_as_well(place):
    done = shell(place, "rebox evaluate m.rebox --data data --json -")
    assert json.loads(done.stdout)["queries"]["total"] == 40
    assert b"accuracy" in done.stderr
    done = shell(place, f"rebox {shlex.join(FIT)} --out - > piped.rebox")
    assert done.returncode == 0, done.stderr
    assert rebox.Reprogrammer.load(place / "piped.rebox").classes_.tolist() == ["dark", "light"]


@posix
def test_a_file_that_is_standard_output_is_not_replaced_behind_it(place):
    done = shell(place, "echo before > all; rebox predict m.rebox data --out /dev/stdout >> all")
    assert done.returncode == 0, done.stderr
    lines = (place / "all").read_text().splitlines()
    assert lines[:2] == ["before", "path,label,p_dark,p_light"]
    assert len(lines) == 42


@posix
@pytest.mark.parametrize(
    "line",
    [
        "rebox predict m.rebox data --out - | head -n 1",
        "rebox predict m.rebox data --out - | true",
        "rebox evaluate m.rebox --data data --json - | true",
        "rebox evaluate m.rebox --data data | true",
        "rebox --help | true",
    ],
)
def test_a_pipe_that_nobody_reads_is_no_traceback(place, line):
    done = shell(place, line)
    assert b"Traceback" not in done.stderr
    assert b"Exception ignored" not in done.stderr
    assert b"rebox: error" not in done.stderr


@posix
@pytest.mark.parametrize(
    "line",
    [
        "rebox predict m.rebox data --out - > /dev/full",
        "rebox predict m.rebox data --out /dev/stdout > /dev/full",
        "rebox evaluate m.rebox --data data --json - > /dev/full",
        "rebox evaluate m.rebox --data data > /dev/full",
        "rebox predict m.rebox data > /dev/full",
    ],
)
def test_standard_output_without_room_is_an_error_of_one_line(place, line):
    done = shell(place, line)
    assert done.returncode == 2
    errors = [line for line in done.stderr.splitlines() if line.startswith(b"rebox: error")]
    assert len(errors) == 1
    assert b"no room" in errors[0] or b"No space left" in errors[0]
    assert b"Traceback" not in done.stderr
    assert b"Exception ignored" not in done.stderr


@posix
@pytest.mark.parametrize("closed", ["1", "2"])
def test_a_closed_descriptor_costs_no_result(place, closed):
    done = shell(place, f"rebox predict m.rebox data --out p.csv {closed}>&-")
    assert b"Traceback" not in done.stderr
    assert len((place / "p.csv").read_text().splitlines()) == 41


@posix
@pytest.mark.parametrize(
    ("encoding", "name"),
    [("ascii", "é.csv"), ("latin-1", "日本.csv"), ("utf-8", os.fsdecode(b"\xe9.csv"))],
)
def test_a_terminal_that_knows_few_letters_is_no_traceback(place, encoding, name):
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    line = shlex.join(["rebox", "predict", "m.rebox", "data", "--out", name])
    done = shell(place, line, env=environment)
    assert done.returncode == 0, done.stderr
    assert b"40 predictions" in done.stdout
    assert (place / name).exists()


# --- ledgers and journals -------------------------------------------------------------------------


def ledger_kinds(folder):
    os.mkfifo(folder / "pipe")
    (folder / "link").symlink_to("missing/target")
    (folder / "null").symlink_to("/dev/null")


@posix
@pytest.mark.parametrize("name", ["data", "pipe", "null", "link", "m.rebox", "data/dark/00.png"])
def test_rows_are_not_written_behind_what_is_no_ledger(place, name):
    ledger_kinds(place)
    before = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
    with pytest.raises(OutputError):
        run([], place / name, Places())
    assert before == {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}


@posix
def test_rows_are_written_through_links_and_behind_others(tmp_path):
    (tmp_path / "link").symlink_to("target")
    for number in range(2):
        check_ledger(tmp_path / "link")
        append(tmp_path / "link", {"key": number})
    assert [row["key"] for row in read_ledger(tmp_path / "target")] == [0, 1]
    assert (tmp_path / "link").is_symlink()


@posix
@pytest.mark.parametrize("name", ["data", "pipe", "null", "m.rebox", "m.rebox/x", "."])
def test_what_is_no_journal_is_refused_before_a_query(command, place, asked, name):
    ledger_kinds(place)
    code, _, said = command(*COMMANDS["predictions"], "p.csv", "--journal", name)
    assert (code, asked) == (2, [])
    assert said.count("\n") == 1


# --- two names for one file -----------------------------------------------------------------------

TWINS = {
    "one name": ("x", "x", lambda folder: None),
    "by a detour": ("x", "data/../x", lambda folder: None),
    "link": ("x", "l", lambda folder: link_to("x", folder / "l")),
    "hard link": (
        "x",
        "l",
        lambda folder: [(folder / "x").touch(), (folder / "l").hardlink_to(folder / "x")],
    ),
    "standard output": ("-", "-", lambda folder: None),
}


@posix
@pytest.mark.parametrize("kind", TWINS)
def test_two_outputs_that_are_one_file_are_refused(command, place, asked, kind):
    one, other, make = TWINS[kind]
    make(place)
    code, _, said = command(*FIT, "--out", one, "--json", other)
    assert (code, asked) == (2, [])
    assert "two outputs are both" in said


@posix
def test_closed_standard_output_is_refused(place):
    done = shell(place, "rebox predict m.rebox data --out - >&-")
    assert done.returncode == 2
    assert done.stderr == b"rebox: error: standard output is closed: name a file.\n"


@posix
def test_two_outputs_may_both_be_thrown_away(command):
    code, _, said = command(*FIT, "--out", "/dev/null", "--json", "/dev/null")
    assert code == 0, said


OVER_INPUTS = {
    "the data": (("predict", "m.rebox", "t.csv"), "t.csv"),
    "an image": (("predict", "m.rebox", "data"), "data/dark/03.png"),
    "an image of a CSV": (("predict", "m.rebox", "t.csv"), "data/light/04.png"),
    "the journal": (("predict", "m.rebox", "data", "--journal", "j.sqlite"), "j.sqlite"),
    "a link to the data": (("predict", "m.rebox", "t.csv"), "l"),
    "a hard link to the data": (("predict", "m.rebox", "t.csv"), "h"),
    "its own model": (("predict", "m.rebox", "data"), "m.rebox"),
    "another model": (("predict", "m.rebox", "data"), "n.rebox"),
}


@posix
@pytest.mark.parametrize("kind", OVER_INPUTS)
def test_what_is_read_is_not_written_over(command, place, asked, kind):
    (place / "t.csv").write_text("path\ndata/dark/01.png\ndata/light/04.png\n")
    (place / "l").symlink_to("t.csv")
    (place / "h").hardlink_to(place / "t.csv")
    shutil.copy(place / "m.rebox", place / "n.rebox")
    before = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
    given, target = OVER_INPUTS[kind]
    code, _, said = command(*given, "--out", target)
    assert (code, asked) == (2, [])
    assert said.count("\n") == 1
    assert before == {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}


def test_the_file_of_a_box_is_not_written_over(command, place, asked):
    (place / "box.onnx").write_bytes(b"no model, which is not looked at")
    given = ("--box", "onnx:box.onnx?size=8", "--data", "data", "--budget", 5)
    code, _, said = command("fit", *given, "--out", "box.onnx", "--force")
    assert code == 2
    assert "is read as box.onnx" in said


# --- a model that is there ------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"anything", None], ids=["a file", "a model"])
def test_a_fit_replaces_a_file_by_force_alone(command, place, asked, content):
    target = place / "there"
    target.write_bytes((place / "m.rebox").read_bytes()[:-1] if content is None else content)
    before = target.read_bytes()
    code, _, said = command(*FIT, "--out", target)
    assert (code, asked) == (2, [])
    assert "--force" in said
    assert target.read_bytes() == before
    assert command(*FIT, "--out", target, "--force")[0] == 0
    assert rebox.Reprogrammer.load(target).classes_.tolist() == ["dark", "light"]


def test_an_empty_file_has_nothing_to_lose(command, place):
    (place / "empty").touch()
    assert command(*FIT, "--out", "empty")[0] == 0


@pytest.mark.parametrize("what", ["fit json", "evaluate json", "predictions"])
def test_nothing_but_a_model_takes_the_place_of_one(command, place, asked, what):
    shutil.copy(place / "m.rebox", place / "n.rebox")
    code, _, said = command(*COMMANDS[what], "n.rebox")
    assert (code, asked) == (2, [])
    assert "is a model" in said


def test_figures_and_predictions_are_replaced(command, place):
    for what, name in (("evaluate json", "e.json"), ("predictions", "p.csv")):
        (place / name).write_text("before")
        assert command(*COMMANDS[what], name)[0] == 0
        assert "before" not in (place / name).read_text()


def test_save_replaces_as_python_does(place):
    model = rebox.Reprogrammer.load(place / "m.rebox")
    (place / "there").write_text("before")
    model.save(place / "there")
    assert rebox.Reprogrammer.load(place / "there").classes_.tolist() == ["dark", "light"]


@pytest.mark.parametrize("name", ["a\0b", "missing/m", "m.rebox/m"])
def test_save_refuses_in_words_of_ours(place, name):
    model = rebox.Reprogrammer.load(place / "m.rebox")
    with pytest.raises(OutputError, match="cannot write"):
        model.save(place / name)


# --- names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "content"),
    [
        ("cafe", b"cafe"),
        ("café", "café".encode()),
        (os.fsdecode(b"caf\xe9"), b"caf\xe9"),
        (os.fsdecode("ü".encode() + b"\xff"), "ü".encode() + b"\xff"),
        ("half \ud83d", b"half \xed\xa0\xbd"),
    ],
)
def test_text_is_written_as_the_bytes_that_it_was(text, content):
    assert encoded(text) == content


def test_a_checksum_takes_any_name(tmp_path):
    Image.new("L", (4, 4)).save(tmp_path / "a.png")
    (tmp_path / "a.png").rename(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png"))
    files = ImageFiles([os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png")] * 3)
    sums = {
        Dataset(files, np.array([name, "b", "c"]), "t").checksum
        for name in (os.fsdecode(b"\xe9"), "\ud83d", "é", "\\xe9")
    }
    assert len(sums) == 4


def test_paths_of_any_bytes_are_written_to(tmp_path):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.csv"))
    check_writable(path)
    write(path, b"content")
    assert path.read_bytes() == b"content"
    with pytest.raises(OutputError, match="no folder"):
        check_writable(path.with_name("missing") / "x")


def test_a_name_as_long_as_can_be_is_written_to(tmp_path):
    write(tmp_path / ("a" * 255), b"content")
    assert [path.name for path in tmp_path.iterdir()] == ["a" * 255]
