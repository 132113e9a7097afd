"""The parts of ``benchmarks/frontier.py``: a plan of trials, their data, a ledger, what it says."""
