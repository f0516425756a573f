"""Fidelity: what a cut costs at the model's output, measured, fitted and maximised.

`damage` holds what was measured, `fitting` makes it smooth and monotone, `valuing` makes it
the solver's objective; `measuring` alone runs the model, and needs torch and timm.
"""
