"""Named shapes of schedule from the literature, in the interface of the solvers.

Each has one parameter, which is made to fit a latency budget or, as its authors do, a share
of the arithmetic; so they can be compared with the exact solver at equal latency.
"""
