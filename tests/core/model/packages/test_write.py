from __future__ import annotations

import hashlib
import importlib
import json
import sys
import types
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
import yaml

from napari_unet_nuclei.core.errors import ModelFileError, OutputFileError
from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.image.sample import PlaneSample
from napari_unet_nuclei.core.model.architecture import CLASSIC, Architecture
from napari_unet_nuclei.core.model.card import DataSource, ModelCard, TrainingRecord
from napari_unet_nuclei.core.model.file import Model, read_model, save_model
from napari_unet_nuclei.core.model.header import hash_tensors
from napari_unet_nuclei.core.model.packages.content import look_into
from napari_unet_nuclei.core.model.packages.notes import PackageNotes
from napari_unet_nuclei.core.model.packages.read import read_package
from napari_unet_nuclei.core.model.packages.write import write_package
from napari_unet_nuclei.core.model.registry import AUTHORS, ModelRegistry
from napari_unet_nuclei.core.progress import Silent
from napari_unet_nuclei.core.segment.network_runner import NetworkRunner
from napari_unet_nuclei.core.segment.predict import predict_plane
from tests.helpers.packages import write_package as pack
from tests.helpers.tiny import FLOAT32, GREY, TINY, tiny_class_model, tiny_model, tiny_network

NOTES = PackageNotes(authors=("Ada Lovelace", "Mary Somerville"), licence="CC-BY-4.0")


@pytest.fixture(scope="module")
def spec() -> types.ModuleType:
    """The library that reads packages; imported here alone, since that takes as long as importing PyTorch."""
    return importlib.import_module("bioimageio.spec")


def saved(folder: Path, model: Model) -> Model:
    """A model as its file keeps it, with its hash and weights of 16 bits."""
    save_model(folder / "model.safetensors", model)
    return read_model(folder / "model.safetensors")


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def array(files: dict[str, bytes], name: str) -> np.ndarray:
    return np.load(BytesIO(files[name]))


@pytest.fixture(scope="module")
def exported(tmp_path_factory) -> tuple[Path, Model]:
    """A package of a tiny model, and the model."""
    folder = tmp_path_factory.mktemp("exported")
    source = DataSource(name="set", licence="CC0", credit="Somebody 2020; Zenodo 1234567", images=3)
    card = ModelCard(
        name="tiny",
        architecture=TINY,
        description="Tiny things.",
        limits="Everything large.",
        metrics={"validation AP@0.5": 0.25},
        training=TrainingRecord(datasets=(source,)),
        percentiles=(2.0, 99.0),
    )
    model = saved(folder, Model(card, tiny_network()))
    write_package(folder / "tiny.zip", model, NOTES)
    return folder / "tiny.zip", model


def test_the_checker_of_the_format_accepts_it_and_it_says_who_and_what(spec, exported):
    path, model = exported
    described = spec.load_description(path)
    assert described.validation_summary.status in ("valid-format", "passed")
    assert [author.name for author in described.authors] == ["Ada Lovelace", "Mary Somerville"]
    assert str(described.license) == "CC-BY-4.0"
    assert [str(one.doi) for one in described.cite][1:] == ["10.5281/zenodo.1234567"]
    assert described.outputs[0].axes[1].channel_names == ["foreground", "border", "distance", "size"]
    [scaling] = [step for step in described.inputs[0].preprocessing if step.id == "scale_range"]
    assert (scaling.kwargs.min_percentile, scaling.kwargs.max_percentile) == (2, 99)
    readme = members(path)["README.md"].decode()
    for said in ("Everything large.", "0.25", "Somebody 2020", "CC0", model.card.weights_hash, "## Validation"):
        assert said in readme


def test_it_comes_back_to_the_bit(exported, tmp_path):
    path, model = exported
    assert look_into(path) == model.card
    entry = ModelRegistry(tmp_path / "own").add(path)
    assert entry.card == model.card
    assert hash_tensors(entry.path) == model.card.weights_hash
    again = read_model(entry.path).network.state_dict()
    assert all(torch.equal(value, again[name]) for name, value in model.network.state_dict().items())


def test_other_programs_get_the_maps_of_the_engine(exported):
    path, model = exported
    files = members(path)
    image = array(files, "test_input.npy")[0, 0]
    plain = ModelCard(name="tiny", architecture=TINY, percentiles=(2.0, 99.0))
    reader = PlaneSample.whole(ImageSource(image, "YX")).open(GREY, plain.percentiles)
    ours = predict_plane(reader, 1.0, NetworkRunner(model, FLOAT32, 1024), Silent()).maps / 255
    stored = array(files, "test_output.npy")
    np.testing.assert_allclose(stored[0, :3], ours, atol=0.003)  # which are kept in 8 bits
    low, high = np.percentile(image, (2, 99))
    prepared = ((image - low) / (high - low + 1e-6)).astype(np.float32)[None, None]
    graph = onnxruntime.InferenceSession(files["weights.onnx"], providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(graph.run(None, {"input": prepared})[0], stored, atol=1e-4)
    # Of other sizes too, and several at once.
    others = np.random.default_rng(0).random((2, 1, 264, 320), np.float32)
    with torch.no_grad():
        wanted = model.network(torch.from_numpy(others))
    wanted[:, :3] = wanted[:, :3].sigmoid()
    np.testing.assert_allclose(graph.run(None, {"input": others})[0], wanted.numpy(), atol=1e-4)


@pytest.mark.parametrize("weights", ["onnx", "pytorch_state_dict"])
def test_the_programs_of_the_format_run_it_to_the_same_maps(spec, exported, weights):
    core = pytest.importorskip("bioimageio.core", reason="needs another version of bioimageio.spec")
    digest = pytest.importorskip("bioimageio.core.digest_spec")
    path, _ = exported
    description = spec.load_description(path)
    assert core.test_model(description, weight_format=weights).status == "passed"
    files = members(path)
    sample = digest.create_sample_for_model(description, inputs={"input": array(files, "test_input.npy")})
    with core.create_prediction_pipeline(description, weight_format=weights) as pipeline:
        # As they are: mirrored, an image has other percentiles.
        found = pipeline.predict_sample_without_blocking(sample, skip_input_padding=True, skip_output_cropping=True)
    np.testing.assert_allclose(np.asarray(found.members["maps"].data), array(files, "test_output.npy"), atol=1e-4)


def test_it_has_what_deepimagej_and_ilastik_look_for(spec, exported):
    # As their sources say: the reader of deepImageJ (JDLL), and what ilastik checks before it loads a model.
    described = yaml.safe_load(members(exported[0])["rdf.yaml"])
    assert described["config"]["bioimageio"]["nickname"] == "tiny"
    [taken], [given] = described["inputs"], described["outputs"]
    for tensor in (taken, given):
        axes = {axis["type"] if axis["type"] != "space" else axis["id"]: axis for axis in tensor["axes"]}
        assert list(axes) == ["batch", "channel", "y", "x"]
        assert axes["channel"]["channel_names"]
    assert [step["id"] for step in taken["preprocessing"]] == ["scale_range"]
    assert set(described["weights"]) == {"onnx", "pytorch_state_dict"}
    again = spec.load_description(exported[0], format_version="latest")
    spec.save_bioimageio_package_to_stream(again, output_stream=BytesIO())  # as ilastik hands it on


def test_the_file_with_the_network_needs_pytorch_alone(spec, exported, monkeypatch):
    path, model = exported
    files = members(path)
    description = spec.load_description(path).weights.pytorch_state_dict.architecture
    module = types.ModuleType("unet_of_package")
    monkeypatch.setitem(sys.modules, "unet_of_package", module)
    text = files["unet.py"].decode()
    imports = [line for line in text.splitlines() if line.startswith(("import ", "from "))]
    assert not [line for line in imports if "napari" in line]
    exec(compile(text, "unet.py", "exec"), module.__dict__)
    network = getattr(module, str(description.callable))(**description.kwargs).eval()
    network.load_state_dict(torch.load(BytesIO(files["weights.pt"]), weights_only=True))
    assert not isinstance(network, type(model.network))
    image = torch.rand(1, 1, 64, 48)
    with torch.inference_mode():
        maps = network(image)
        logits = model.network(image)
    torch.testing.assert_close(maps[:, :3], logits[:, :3].sigmoid())
    torch.testing.assert_close(maps[:, 3], logits[:, 3])


@pytest.mark.parametrize(
    "model",
    [
        tiny_class_model(),
        tiny_model("two", TINY.model_copy(update={"in_channels": 2, "depth": 1})),
        tiny_model("old", CLASSIC.model_copy(update={"base_width": 2, "depth": 1})),
        tiny_model("growing", Architecture(base_width=4, depth=2, growth=2.5)),
        tiny_model("t. 1", Architecture(base_width=2, depth=1, stem="full", upsampling="transposed")),
    ],
    ids=["classes", "two channels", "classic", "growing", "a short name"],
)
def test_every_kind_of_model_is_exported_and_reads_back(model, tmp_path):
    model = saved(tmp_path, model)
    write_package(tmp_path / "a.zip", model, NOTES)
    assert read_package(tmp_path / "a.zip", Silent()).card == model.card
    files = members(tmp_path / "a.zip")
    maps = array(files, "test_output.npy")
    if model.card.classes:
        np.testing.assert_allclose(maps.sum(axis=1), 1, atol=1e-5)
    graph = onnxruntime.InferenceSession(files["weights.onnx"], providers=["CPUExecutionProvider"])
    channels = model.card.architecture.in_channels
    image = np.random.default_rng(0).random((1, channels, 256, 272), np.float32)
    with torch.inference_mode():
        logits = model.network(torch.from_numpy(image))
    wanted = logits.softmax(dim=1) if model.card.classes else logits
    found = graph.run(None, {"input": image})[0]
    heads = 3
    expected = wanted if model.card.classes else wanted[:, :heads].sigmoid()
    np.testing.assert_allclose(found[:, :heads], expected.numpy(), atol=1e-4)


def test_authors_and_licence_must_be_said_and_the_checker_has_the_last_word(tmp_path):
    model = saved(tmp_path, tiny_model())
    for notes, said in (
        (PackageNotes(licence="MIT"), "names its authors.*--author"),
        (PackageNotes(authors=("A",)), "states its licence.*--licence"),
        (PackageNotes(authors=("A",), licence="My own"), "cannot be described in the BioImage.IO format: .*license"),
    ):
        with pytest.raises(ModelFileError, match=said):
            write_package(tmp_path / "a.zip", model, notes)
    assert not (tmp_path / "a.zip").exists()


def test_the_registry_writes_packages_and_knows_the_authors_of_the_bundled_model(spec, tmp_path):
    bundled = tmp_path / "bundled"
    bundled.mkdir()
    card = ModelCard(name="one", architecture=TINY, licence="BSD-3-Clause; with credit")
    save_model(bundled / "one.safetensors", Model(card, tiny_network()))
    registry = ModelRegistry(tmp_path / "own", bundled)
    registry.export("one", tmp_path / "one.zip")
    described = spec.load_description(tmp_path / "one.zip", perform_io_checks=False)
    assert [author.name for author in described.authors] == list(AUTHORS)
    assert str(described.license) == "BSD-3-Clause"
    with pytest.raises(ModelFileError, match="installed already"):
        registry.add(tmp_path / "one.zip")
    with pytest.raises(OutputFileError, match=r"in BioImage.IO packages only"):
        registry.export("one", tmp_path / "one.safetensors", NOTES)
    with pytest.raises(OutputFileError, match=r"ends neither in .safetensors nor in .zip"):
        registry.export("one", tmp_path / "one.tar")


def test_a_package_of_ours_that_was_changed_is_refused(spec, exported, tmp_path):
    path, _ = exported
    files = members(path)
    text = files.pop("rdf.yaml").decode()
    weights = spec.load_description(path, perform_io_checks=False).weights.pytorch_state_dict
    other = torch.load(BytesIO(files["weights.pt"]), weights_only=True)
    other["heads.bias"] += 1
    file = BytesIO()
    torch.save(other, file)
    changed = {**files, "weights.pt": file.getvalue()}
    with pytest.raises(ModelFileError, match=r"its hash .* differs"):
        read_package(pack(tmp_path / "a.zip", text, changed), Silent())
    right = text.replace(str(weights.sha256), hashlib.sha256(file.getvalue()).hexdigest())
    with pytest.raises(ModelFileError, match="not those of its card"):
        read_package(pack(tmp_path / "b.zip", right, changed), Silent())
    del changed["weights.pt"]
    with pytest.raises(ModelFileError, match=r"lacks 'weights.pt'"):
        read_package(pack(tmp_path / "c.zip", right, changed), Silent())
    config = {"napari_unet_nuclei": {"card": json.dumps({"a": 1})}}
    no_card = {"format_version": "0.5.3", "type": "model", "config": config}
    with pytest.raises(ModelFileError, match=r"card in .* cannot be used"):
        read_package(pack(tmp_path / "d.zip", no_card, {}), Silent())
