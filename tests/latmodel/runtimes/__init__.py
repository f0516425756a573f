"""Tests of latmodel.runtimes."""
