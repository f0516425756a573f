"""Algorithms for one problem: each a function from `Problem` to `Solution`."""
