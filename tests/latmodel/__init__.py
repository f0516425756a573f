"""Tests of latmodel."""
