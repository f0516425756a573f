"""Tests of latmodel.cli."""
