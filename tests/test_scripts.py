"""The scripts for ImageJ and QuPath."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

import napari_unet_nuclei
from tests.helpers.program import small_image

SCRIPTS = Path(napari_unet_nuclei.__file__).parent / "scripts"
PROGRAM = Path(sys.executable).with_name("napari-unet-nuclei")
IMAGEJ, GROOVY = Path("/usr/share/java/ij.jar"), Path("/usr/share/java/groovy-all.jar")

# Opens an image, runs the macro on it, and writes down what the user would see.
USE_MACRO = """
open("{image}");
makeRectangle(10, 10, 50, 50);
runMacro("{macro}", "program={program} kind=bright cell=3px{more}");
Table.save("{folder}/table.csv");
File.saveString(roiManager("count") + " " + getTitle() + " " + selectionType(), "{folder}/seen.txt");
"""

# What the script takes from QuPath, which cannot be had here.
QUPATH = """
class Annotation {{
    def ROI = [boundsX: 10.5, boundsY: 20.2, boundsWidth: 60, boundsHeight: 70]
    boolean isAnnotation() {{ true }}
}}
class Server {{ def width = 96; def height = 90; def getURIs() {{ [new File("{image}").toURI()] }} }}
abstract class QuPath extends Script {{
    def getCurrentServer() {{ new Server() }}
    def getSelectedObject() {{ {selected} }}
    def importObjectsFromFile(String path) {{ new File("{folder}/imported.json").text = new File(path).text }}
}}
def configuration = new org.codehaus.groovy.control.CompilerConfiguration(scriptBaseClass: "QuPath")
new GroovyShell(this.class.classLoader, new Binding(), configuration).evaluate(new File("{script}"))
"""


@pytest.mark.skipif(not (shutil.which("java") and IMAGEJ.is_file()), reason="needs ImageJ, Debian's package imagej")
@pytest.mark.parametrize(("channels", "more"), [(1, ""), (2, " channel=2")])
def test_the_macro_brings_outlines_and_measurements_into_imagej(channels, more, tmp_path):
    image, macro = tmp_path / "my image.tif", tmp_path / "use.ijm"
    empty = np.full_like(small_image(), 100)
    tifffile.imwrite(image, np.stack([*[empty] * (channels - 1), small_image()]), imagej=True, metadata={"axes": "CYX"})
    names = {"image": image, "macro": SCRIPTS / "Segment_Nuclei.ijm", "program": PROGRAM, "folder": tmp_path}
    macro.write_text(USE_MACRO.format(**names, more=more))
    subprocess.run(["java", "-cp", IMAGEJ, "ij.ImageJ", "-batch", macro], check=True, timeout=120)
    heads, *rows = (tmp_path / "table.csv").read_text().splitlines()
    count, seen = (tmp_path / "seen.txt").read_text().split(" ", 1)
    assert int(count) == len(rows) > 0
    assert "cell_area_px" in heads
    assert seen == "my image.tif 0"  # the rectangle is selected still


@pytest.mark.skipif(not (shutil.which("java") and IMAGEJ.is_file()), reason="needs ImageJ, Debian's package imagej")
def test_the_macro_says_why_an_image_is_not_segmented(tmp_path):
    image, macro = tmp_path / "two.tif", tmp_path / "use.ijm"
    tifffile.imwrite(image, np.stack([small_image()] * 2), imagej=True, metadata={"axes": "CYX"})
    names = {"image": image, "macro": SCRIPTS / "Segment_Nuclei.ijm", "program": PROGRAM, "folder": tmp_path}
    macro.write_text(USE_MACRO.format(**names, more=""))
    told = subprocess.run(
        ["java", "-cp", IMAGEJ, "ij.ImageJ", "-batch", macro], check=False, timeout=120, capture_output=True, text=True
    )
    reason = told.stdout[told.stdout.index("The nuclei were not segmented.") :].splitlines()[:3]
    assert reason[1].startswith("The image has 2 channels")
    assert "channel=1" in reason[2]


@pytest.mark.skipif(not (shutil.which("java") and GROOVY.is_file()), reason="needs Groovy, Debian's package groovy")
@pytest.mark.parametrize("selected", ["null", "new Annotation()"])
def test_the_script_imports_cells_into_qupath_by_stand_ins_for_its_methods(selected, tmp_path):
    image, script = tmp_path / "image.tif", tmp_path / "use.groovy"
    tifffile.imwrite(image, small_image())
    names = {"image": image, "script": SCRIPTS / "segment_nuclei.groovy", "selected": selected, "folder": tmp_path}
    script.write_text(QUPATH.format(**names))
    options = [f"-Dnapari-unet-nuclei={PROGRAM}", "-Dnapari-unet-nuclei.cell=3px"]
    subprocess.run(["java", *options, "-cp", GROOVY, "groovy.ui.GroovyMain", script], check=True, timeout=120)
    features = json.loads((tmp_path / "imported.json").read_text())["features"]
    assert features
    corners = [corner for one in features for corner in one["nucleusGeometry"]["coordinates"][0]]
    if selected != "null":
        assert min(x for x, _ in corners) >= 10
        assert min(y for _, y in corners) >= 20
    assert {one["properties"]["objectType"] for one in features} == {"cell"}
    assert all({"area_px", "cell_area_px"} <= one["properties"]["measurements"].keys() for one in features)
