"""What the tutorials tell a reader to type is typed here, page by page, in a folder of its own."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest
from test_examples import FOLDER, ROOT, likened

PAGES = ROOT / "docs" / "tutorials"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
PATIENCE_S = 120
SHELL = shutil.which("bash") or "bash"
TOOL = '#!/bin/sh\nexec {python} {module} "$@"\n'

pytestmark = pytest.mark.slow  # servers, and fits of some seconds


def blocks(page):
    """Return (language, text) of what a page shows."""
    return BLOCK.findall((PAGES / f"{page}.md").read_text())


class Reader:
    """Somebody who has an empty folder, what the tutorials say to have, and a shell."""

    def __init__(self, folder):
        self.folder, self.exported, self.said = folder, [], []
        tools = folder / ".tools"
        tools.mkdir()
        for name, module in (("rebox", "-m rebox"), ("python", "")):
            (tools / name).write_text(TOOL.format(python=sys.executable, module=module))
            (tools / name).chmod(0o755)
        self.variables = os.environ | {
            "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT / "src"),
            "REBOX_JOURNAL": str(folder / "own-journal.sqlite"),
            "COLUMNS": "100",
        }
        shutil.copy(FOLDER / "pictures.py", folder)
        self.types("python pictures.py scans")

    def types(self, script):
        """Run lines of a shell; what they export holds for the next."""
        done = subprocess.run(
            [SHELL, "-euc", "\n".join([*self.exported, script])],
            cwd=self.folder,
            env=self.variables,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
        self.exported += [line for line in script.splitlines() if line.startswith("export ")]
        self.said.append(done.stdout)

    def begins(self, command):
        """Start a command that goes on, and wait for the first line that it prints."""
        log = self.folder / "log"
        with log.open("w") as file:
            process = subprocess.Popen(
                [SHELL, "-c", f"exec {command}"],
                cwd=self.folder,
                env=self.variables,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        until = time.monotonic() + PATIENCE_S
        while "Ctrl-C" not in log.read_text():
            assert time.monotonic() < until, log.read_text()
            assert process.poll() is None, log.read_text()
            time.sleep(0.2)
        return process, log


@pytest.fixture
def reader(tmp_path):
    return Reader(tmp_path)


def receipts(reader, page, port):
    """Type what a page says beside its second terminal; return what each command was billed."""
    parts = blocks(page)
    (shown,) = [text for kind, text in parts if kind == "console"]
    command, *printed = shown.removeprefix("$ ").splitlines()
    place = [kind for kind, _ in parts].index("console")
    scripts = [(at > place, text) for at, (kind, text) in enumerate(parts) if kind == "sh"]
    for script in [text for later, text in scripts if not later]:
        reader.types(script)
    process, log = reader.begins(command.replace(f"--port {port}", "--port 0"))
    try:
        free = re.search(r"127\.0\.0\.1:(\d+)", log.read_text())[1]
        assert log.read_text().replace(free, port).splitlines() == printed
        for script in [text for later, text in scripts if later]:
            reader.types(script.replace(port, free))
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)
    lines = [line for said in reader.said for line in said.splitlines()]
    return [line for line in lines if line.startswith("asked ")]


def test_a_service(reader):
    told = receipts(reader, "service", "8600")
    page = (PAGES / "service.md").read_text()
    assert told[0].endswith("$0.36")
    assert "303 questions, $0.36" in page
    assert "$0.00: 0 billed, 303 answered by the" in told[1]
    assert "receipt says $0.00" in page
    assert told[2].endswith("$0.0720")
    lines = (reader.folder / "new.csv").read_text().splitlines()
    assert len(lines) == 61


def test_texts_and_a_chat_model(reader):
    shutil.copy(FOLDER / "texts.py", reader.folder)
    told = receipts(reader, "texts", "8601")
    assert told[0].startswith("asked 0 queries")  # the stand-in
    assert told[1].startswith("asked 104 queries")
    assert "$0.0011" in told[1]
    assert "104 questions, $0.0011" in (PAGES / "texts.md").read_text()
    assert told[2].startswith("asked 40 queries")
    assert len((reader.folder / "said.csv").read_text().splitlines()) == 41


def test_a_folder_and_a_file(reader):
    parts = blocks("onnx")
    code = [text for kind, text in parts if kind == "python"]
    (reader.folder / "first.py").write_text(code[0])
    (reader.folder / "page.py").write_text("\n".join(code))
    reader.types("python first.py")
    for kind, text in parts:
        if kind == "sh":
            reader.types(text)
    reader.types("python page.py")
    (shown,) = [text for kind, text in parts if kind == "text"]
    measured = [line for line in reader.said[-1].splitlines() if "<Measurement" in line]
    assert len(measured) == 2  # with the box, and without
    assert likened(measured[0], shown.strip())


def test_a_plan(reader):
    for kind, text in blocks("study"):
        if kind == "toml":
            assert text == (FOLDER / "study.toml").read_text()
            (reader.folder / "study.toml").write_text(text)
        elif kind == "sh":
            reader.types(text)
        elif kind == "python":
            (reader.folder / "page.py").write_text(text)
            reader.types("python page.py")
    rows = reader.said[-1].splitlines()
    assert len(rows) == 8
    assert {row.split()[0] for row in rows} == {"majority", "local", "map", "auto"}
    assert (reader.folder / "study.html").stat().st_size > 10_000


def test_every_tutorial_is_typed():
    pages = sorted(path.stem for path in PAGES.glob("*.md"))
    assert pages == ["index", "onnx", "service", "study", "texts"]
