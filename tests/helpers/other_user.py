"""Segments a folder under another user's id and prints what became of its files.

A program of its own, since a process that has given up its rights does not get them back. Everything is imported and
used once before, because the other user may not even be allowed to read Python's own files. Arguments: a folder of
images that all may read, the folder in question, model file, folder for the results, user id (0: stay who we are).
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from napari_unet_nuclei.core.folder.run import segment_files
from napari_unet_nuclei.core.segment.template import RequestTemplate
from napari_unet_nuclei.core.settings import SegmentSettings


def main() -> None:
    """Use everything once, change the user, and segment the folder."""
    rehearsal, folder, model, out, user = sys.argv[1:]
    template = RequestTemplate(SegmentSettings().changed(diameter=24.0, device="cpu"), model)
    segment_files([Path(rehearsal)], Path(out) / "rehearsal", template)
    if user != "0":
        os.setgroups([])
        os.setgid(int(user))
        os.setuid(int(user))
    report = segment_files([Path(folder)], Path(out) / "results", template)
    sys.stdout.write(json.dumps(report.description()["files"]))


if __name__ == "__main__":
    main()
