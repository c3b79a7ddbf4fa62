"""Measurements against peers, run side by side; `make bench` writes their table to RESULTS.md beside this file."""
