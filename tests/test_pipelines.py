"""What is offered to workflow managers: a Snakefile, a Nextflow module and the image that they may run in."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml

from tests.helpers.program import write_image

PIPELINES = Path(__file__).parents[1] / "pipelines"
MODULE = PIPELINES / "nf-core" / "napariunetnuclei" / "segment"
GROOVY = Path("/usr/share/java/groovy-all.jar")
PROGRAMS = Path(sys.executable).parent
WITH_PROGRAM = {**os.environ, "PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}"}

# What the module takes from Nextflow, which cannot be had here. Prints the commands and the outputs by name.
NEXTFLOW = """
class Image {
    def baseName = "a b"
    String toString() { "a\\\\ b.png" }  // as Nextflow writes it into commands
}
class Module {
    def meta = [id: "my sample"], image = new Image(), model = [], moduleDir = "."
    def task = [ext: [args: "--geojson --device cpu"], cpus: 1, process: "SEGMENT"]
    def outputs = [:], prefix
    def propertyMissing(String name) { name }
    def methodMissing(String name, given) { null }
    def val(name) { "value" }
    def path(Map how = [:], name) { if (how.emit) outputs[how.emit] = name.toString(); name }
    def tuple(Map how, Object... parts) { outputs[how.emit] = parts[1].toString() }
    def tuple(Object... parts) { null }
}
abstract class Nextflow extends Script {
    def methodMissing(String name, given) { given[0] }
    def process(Closure body) {
        def module = new Module()
        body.delegate = module
        body.resolveStrategy = Closure.DELEGATE_FIRST
        body()  // sets the prefix, which stands in the outputs
        [commands: body().toString().stripIndent(), outputs: module.outputs]
    }
}
def configuration = new org.codehaus.groovy.control.CompilerConfiguration(scriptBaseClass: "Nextflow")
def shell = new GroovyShell(this.class.classLoader, new Binding(), configuration)
def (head, rest) = new File(args[0]).text.split("script:")
def (script, stub) = rest.split("stub:")
println groovy.json.JsonOutput.toJson([script: shell.evaluate(head + script + "}"), stub: shell.evaluate(head + stub)])
"""


@pytest.mark.skipif(not (shutil.which("java") and GROOVY.is_file()), reason="needs Groovy, Debian's package groovy")
def test_the_module_runs_by_stand_ins_for_what_it_takes_from_nextflow(tmp_path):
    (tmp_path / "nextflow.groovy").write_text(NEXTFLOW)
    groovy = ["java", "-cp", GROOVY, "groovy.ui.GroovyMain", tmp_path / "nextflow.groovy", MODULE / "main.nf"]
    told = json.loads(subprocess.run(groovy, check=True, timeout=60, capture_output=True).stdout)
    described = yaml.safe_load((MODULE / "meta.yml").read_text(encoding="utf-8"))["output"]
    for name, part in told.items():
        (tmp_path / name).mkdir()
        write_image(tmp_path / name / "a b.png")
        commands = ["bash", "-euo", "pipefail", "-c", part["commands"]]
        subprocess.run(commands, check=True, timeout=60, cwd=tmp_path / name, env=WITH_PROGRAM)
        versions = yaml.safe_load((tmp_path / name / "versions.yml").read_text(encoding="utf-8"))
        assert list(versions["SEGMENT"]) == ["napari-unet-nuclei"]
        made = [str(path.relative_to(tmp_path / name)) for path in (tmp_path / name).rglob("*")]
        missing = [
            one for one, pattern in part["outputs"].items() if not any(fnmatch(path, bare(pattern)) for path in made)
        ]
        # What is missing is optional; outlines for QuPath were asked for.
        assert missing == (["rois", "h5ad"] if name == "script" else ["geojson", "rois", "h5ad"])
        assert list(part["outputs"]) == list(described)


def bare(pattern: str) -> str:
    """Take the alternatives of a glob to be any text."""
    return pattern.replace("{tif,ome.tif,ome.zarr}", "tif")


def test_both_workflow_managers_install_the_same():
    assert (MODULE / "environment.yml").read_text() == (PIPELINES / "snakemake" / "environment.yml").read_text()


@pytest.mark.skipif(not (PROGRAMS / "snakemake").is_file(), reason="needs Snakemake: pip install snakemake")
def test_snakemake_segments_a_folder(tmp_path):
    write_image(tmp_path / "images" / "b c.png")
    options = ["--cores", "1", "--directory", tmp_path, "--config", "suffix=.png", "options=--device cpu"]
    command = [PROGRAMS / "snakemake", "--quiet", "all", "--snakefile", PIPELINES / "snakemake" / "Snakefile", *options]
    subprocess.run(command, check=True, timeout=120, env=WITH_PROGRAM)
    results = tmp_path / "nuclei"
    assert {"b c_labels.tif", "b c_table.csv", "run.json"} <= {path.name for path in (results / "b c").iterdir()}
    assert "torch" in json.loads((results / "versions.json").read_text(encoding="utf-8"))["versions"]
