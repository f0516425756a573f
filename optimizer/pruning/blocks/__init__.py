"""One file per timm block family, each a subclass of timm's block that cuts tokens.

To add a family: write its file, and name its `FAMILY` in `registry`.
"""
