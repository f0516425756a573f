"""What runs and times a model: one file per runtime."""
