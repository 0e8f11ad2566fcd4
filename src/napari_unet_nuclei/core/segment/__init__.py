"""The verb *segment*: an image in, labelled nuclei out, with the maps kept so that thresholds stay live.

`request` and `result` load without PyTorch; `run` is what a job imports.
"""
