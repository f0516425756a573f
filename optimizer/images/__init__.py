"""Images for a model: any timm dataset or tensors, in a fixed order, over any processes.

`optimizer.images.loading` has `load_images`, `optimizer.images.spreading` the processes of
`torchrun`, and `optimizer.images.measuring` what joins both.
"""
