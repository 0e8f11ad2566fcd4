"""Segment a slide block by block, with memory for a few blocks only."""

import tifffile

from napari_unet_nuclei import Threads, fluorescent_nuclei, segment_slide

# A drawn slide, small enough to wait for. With a file of your own (a tiled TIFF or OME-Zarr), leave this out.
drawn = fluorescent_nuclei(shape=(512, 512), count=60)
tifffile.imwrite("slide.tif", drawn.image, tile=(256, 256))

# Blocks of 256 pixels suit this example; leave the size out for real slides.
result = segment_slide("slide.tif", "slide_labels.ome.zarr", table="slide_table.csv", block=256, executor=Threads(2))

print(f"{result.count} nuclei in {result.seconds:.1f} s, in {result.path} and {result.table}")
print(f"Median area: {result.median_area:.0f} pixels")
