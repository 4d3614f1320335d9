"""Attacks on the running app, with figures; ``python -m tests.attack`` runs them all."""
