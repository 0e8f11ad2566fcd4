"""Segment one image, measure its nuclei, and save labels, table and outlines."""

from dataclasses import replace

from napari_unet_nuclei import fluorescent_nuclei, measure, segment, write_labels, write_overlay

# A drawn image of cells stained with DAPI. For a file of your own: image = read_image("cells.tif").array
sample = fluorescent_nuclei(shape=(256, 256), count=25)
image, pixel_size = sample.image, sample.pixel_size

result = segment(image, pixel_size=pixel_size)
print(f"{result.count} nuclei, about {result.diameter:.0f} pixels across, found by {result.model}")
for notice in result.notices:
    print(notice)

table = measure(result.labels, {"DAPI": image}, pixel_size_y=pixel_size.y, pixel_size_x=pixel_size.x)
print(table[["label", "area_um2", "DAPI_mean"]].head())

# Tighter outlines: raise a threshold. The network is not run again.
tighter = result.decode(replace(result.thresholds, foreground=0.8))
print(
    f"{(result.labels > 0).mean():.1%} of the image is nuclei, with tighter outlines {(tighter.labels > 0).mean():.1%}"
)

write_labels("cells_labels.tif", result.labels, pixel_size=pixel_size, provenance=result.provenance)
write_overlay("cells_overlay.png", image, result.labels)
table.to_csv("cells_table.csv", index=False)
