"""A wing of its own: tasks by name, baselines, and how methods are measured against each other."""
