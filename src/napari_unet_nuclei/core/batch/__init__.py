"""The verb *batch*: many image files as one run, each segmented by itself, none lost to a bad neighbour."""
