"""Work on with results that were written earlier: labels, tables, and how they were made."""

import json
from pathlib import Path

import pandas as pd
import tifffile

from napari_unet_nuclei import measure, read_image, segment_folder, two_channels

# Results of a small run, of an image with the channels DAPI and GFP. Your own folder will do as well.
sample = two_channels()
Path("images").mkdir(exist_ok=True)
tifffile.imwrite("images/cells.ome.tif", sample.image, metadata={"axes": "CYX", "Channel": {"Name": ["DAPI", "GFP"]}})
segment_folder("images", "results")

# One table with all nuclei of all images.
nuclei = pd.read_csv("results/nuclei.csv")
print(nuclei.groupby("image")[["area_px", "GFP_mean"]].median())

# How it was made: program, model, settings, and what became of every image.
run = json.loads(Path("results/run.json").read_text(encoding="utf-8"))
print(run["program"], run["models"])

# Labels as an array, for measurements of your own.
record = run["files"][0]
labels = read_image(record["labels"]).array
image = read_image(record["image"])
gfp = image.array[image.channel_names.index("GFP")]
table = measure(labels, {"GFP": gfp})
positive = table[table["GFP_mean"] > 2 * table["GFP_mean"].median()]
print(f"{len(positive)} of {len(table)} nuclei are bright in GFP")
