"""Segment a folder of images, and see what failed and what deserves a look."""

from pathlib import Path

import tifffile

from napari_unet_nuclei import fluorescent_nuclei, segment_folder

# Three drawn images and a file that is damaged. With images of your own, leave this out.
folder = Path("images")
folder.mkdir(exist_ok=True)
for number in range(3):
    tifffile.imwrite(folder / f"well_{number}.tif", fluorescent_nuclei(seed=number, shape=(192, 192), count=15).image)
(folder / "damaged.tif").write_bytes(b"no image")

report = segment_folder(folder, "results", rois=True, overlay=True)

print(report.summary()[["image", "status", "nuclei", "median_area_px"]])
for record in report.failed:
    print(f"{record.image} failed: {record.error}")
for record in report.doubtful:
    print(f"{record.image} is worth a look: {record.warning}")

# What is done is not done again, so the same call resumes a run that was interrupted.
again = segment_folder(folder, "results", rois=True, overlay=True)
print(f"{sum(record.skipped for record in again.records)} images were done before")
print("The report: results/report.html")
