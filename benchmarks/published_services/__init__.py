"""The published service runs: their trials and their table."""
