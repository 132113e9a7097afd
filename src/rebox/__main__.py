"""``python -m rebox``: the command line, where no script is on the path."""

from rebox.cli import main

main()
