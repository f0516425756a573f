"""One file per timm trunk family: the loop over the blocks that knows where tokens lie.

To add a family: write its file, and name it in `registry`.
"""
