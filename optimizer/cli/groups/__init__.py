"""The options of `optimize`, a file for each subject."""
