"""Packages in all forms that the format allows, and in some that it does not."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from napari_unet_nuclei.core.errors import ModelFileError
from napari_unet_nuclei.core.model.file import Model
from napari_unet_nuclei.core.model.packages.arrays import array_bytes
from napari_unet_nuclei.core.model.packages.read import read_package
from napari_unet_nuclei.core.model.registry import ModelRegistry
from tests.helpers.onnx_graphs import blurring_graph
from tests.helpers.packages import (
    IMAGE,
    SIDE,
    Description,
    changed,
    described,
    glowing_maps,
    members,
    scaled,
    write_package,
)
from tests.helpers.recording import RecordingProgress

BOTH = (False, True)
"""Version 0.5, and 0.4."""


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Whatever a package names, nothing is asked of another computer."""

    def refuse(*_args: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def read(tmp_path: Path, description: Description, progress: RecordingProgress | None = None, **files: bytes) -> Model:
    path = write_package(tmp_path / "package.zip", description, members(**files))
    return read_package(path, progress or RecordingProgress())


def refused(tmp_path: Path, description: Description, said: str, **files: bytes) -> None:
    with pytest.raises(ModelFileError, match=said):
        read(tmp_path, description, **files)


def step(kind: str, older: bool, **given: object) -> dict[str, object]:
    return {"name" if older else "id": kind, **({"kwargs": given} if given else {})}


def maps_of(model: Model) -> np.ndarray:
    """Foreground and border of the test image, as the network gives them."""
    image = IMAGE[0]
    fitted = model.card.scaling.fit(list(image))
    prepared = np.stack([one.normalise(channel) for one, channel in zip(fitted, image, strict=True)])
    return model.network.maps_of(prepared)[:2]


@pytest.mark.parametrize("older", BOTH)
def test_a_package_becomes_a_model_that_gives_its_maps(tmp_path, older):
    progress = RecordingProgress()
    model = read(tmp_path, changed(lambda _: None, older), progress)
    np.testing.assert_allclose(maps_of(model), glowing_maps(scaled())[0], atol=1e-5)
    card, design = model.card, model.card.architecture
    assert (card.name, card.licence) == ("Glowing things", "CC-BY-4.0")
    assert card.description == "Finds what glows. By Ada Lovelace. Cite On engines 10.5281/zenodo.123456."
    assert card.diameter == 23.4  # of the nuclei in the test image
    assert (design.axes, design.halo, design.lost, design.stride) == ("bcyx", 8, 0, 16)
    assert any("finds 4 nuclei" in notice for notice in progress.notices)
    assert older == any("no names" in notice for notice in progress.notices)


@pytest.mark.parametrize("version", ["0.4.0", "0.4.10", "0.5.0", "0.5.10", "0.5.14"])
def test_first_and_latest_of_each_version_and_what_its_own_library_writes_are_read_alike(tmp_path, version):
    from bioimageio.spec import save_bioimageio_package  # here, since it takes as long to import as PyTorch

    def dated(one: Description) -> None:
        one["format_version"] = version
        if version == "0.5.14":  # since 0.5.11
            one["documentation"] = {"source": "README.md"}

    description = changed(dated, older=version.startswith("0.4"))
    given = write_package(tmp_path / "given.zip", description)
    written = save_bioimageio_package(given, output_path=tmp_path / "written.zip")
    maps = [maps_of(read_package(path, RecordingProgress())) for path in (given, written)]
    np.testing.assert_array_equal(*maps)


@pytest.mark.parametrize("older", BOTH)
@pytest.mark.parametrize(
    ("steps", "prepare"),
    [
        ([("scale_linear", {"gain": 0.002, "offset": -0.1})], lambda image: image * 0.002 - 0.1),
        (
            [("zero_mean_unit_variance", {}), ("scale_linear", {"gain": 0.3, "offset": 0.2})],
            lambda image: (image - image.mean()) / (image.std() + 1e-6) * 0.3 + 0.2,
        ),
        (
            [("scale_range", {"min_percentile": 5, "max_percentile": 99, "eps": 0.01}), ("clip", {"min": 0, "max": 1})],
            lambda image: np.clip(
                (image - np.percentile(image, 5)) / (np.percentile(image, 99) - np.percentile(image, 5) + 0.01), 0, 1
            ),
        ),
        ([("binarize", {"threshold": 300.0})], lambda image: (image > 300).astype(np.float32)),
        (
            [("scale_linear", {"gain": 0.01, "offset": -3}), ("sigmoid", {})],
            lambda image: 1 / (1 + np.exp(3 - image * 0.01)),
        ),
        ([], lambda image: image),
    ],
)
def test_each_step_is_taken(tmp_path, older, steps, prepare):
    axes = {"zero_mean_unit_variance", "scale_range"}
    taken = []
    for kind, given in steps:
        if kind in axes:
            given = {**given, "axes": "yx" if older else ["y", "x"], **({"mode": "per_sample"} if older else {})}
        elif older and kind == "scale_linear":
            given = {**given, "axes": "yx"}
        taken.append(step(kind, older, **given))
    description = changed(lambda one: one["inputs"][0].update(preprocessing=taken), older)
    expected = glowing_maps(prepare(IMAGE))
    model = read(tmp_path, description, output_npy=array_bytes(expected))
    np.testing.assert_allclose(maps_of(model), expected[0], atol=2e-4)


def test_steps_of_one_version_alone(tmp_path):
    fixed = changed(
        lambda one: one["inputs"][0].update(
            preprocessing=[
                step("ensure_dtype", False, dtype="float32"),
                step("fixed_zero_mean_unit_variance", False, mean=50.0, std=400.0),
                step("clip", False, min_percentile=1.0, max=2.0),
                step("ensure_dtype", False, dtype="float32"),
            ]
        )
    )
    prepared = (IMAGE - 50) / 400
    low = np.percentile(prepared, 1, method="inverted_cdf")
    expected = glowing_maps(np.clip(prepared, low, 2.0))
    np.testing.assert_allclose(maps_of(read(tmp_path, fixed, output_npy=array_bytes(expected))), expected[0], atol=1e-4)
    older = changed(
        lambda one: one["inputs"][0].update(
            preprocessing=[
                step("zero_mean_unit_variance", True, mode="fixed", axes="yx", mean=[50.0], std=[400.0]),
            ]
        ),
        older=True,
    )
    expected = glowing_maps(prepared)
    np.testing.assert_allclose(maps_of(read(tmp_path, older, output_npy=array_bytes(expected))), expected[0], atol=1e-4)


def test_images_are_not_cut_to_the_type_that_a_package_names_but_steps_may_ask_for_whole_numbers(tmp_path):
    def in_bytes(one: Description) -> None:
        one["inputs"][0]["data"] = {"type": "uint8"}
        one["inputs"][0]["preprocessing"].append(step("ensure_dtype", False, dtype="uint8"))

    image = np.clip(IMAGE / 8, 0, 255).astype(np.uint8)
    low, high = np.percentile(image, (1, 99.8))
    expected = glowing_maps(np.trunc(np.clip((image - low) / (high - low + 1e-6), 0, None)).astype(np.float32))
    model = read(tmp_path, changed(in_bytes), input_npy=array_bytes(image), output_npy=array_bytes(expected))
    assert [one.step for one in model.card.architecture.preprocessing.root] == ["range", "whole"]


@pytest.mark.parametrize("older", BOTH)
def test_postprocessing_makes_maps_of_logits(tmp_path, older):
    graph = onnx.ModelProto.FromString(members()["network.onnx"])
    sigmoid = graph.graph.node[-1]
    sigmoid.op_type = "Identity"
    said = [step("sigmoid", older), step("clip", older, min=0.1, max=0.9)]
    description = changed(lambda one: one["outputs"][0].update(postprocessing=said), older)
    expected = np.clip(glowing_maps(scaled()), 0.1, 0.9)
    files = {"network_onnx": graph.SerializeToString(), "output_npy": array_bytes(expected)}
    np.testing.assert_allclose(maps_of(read(tmp_path, description, **files)), expected[0], atol=1e-5)
    logits = np.log(glowing_maps(scaled()).astype(np.float64) + 1e-30)
    without = changed(lambda _: None, older)
    files["output_npy"] = array_bytes(logits)
    refused(tmp_path, without, "maps from 0 to 1 are needed. Add the step 'sigmoid'", **files)


def sizes(y: object, x: object) -> Callable[[Description], None]:
    def change(one: Description) -> None:
        for axis, size in zip(one["inputs"][0]["axes"][-2:], (y, x), strict=True):
            axis["size"] = size

    return change


def test_sizes_halo_and_batch_in_the_newer_version(tmp_path):
    fixed = changed(sizes(SIDE, {"min": 16, "step": 8}))
    fixed["inputs"][0]["axes"][0]["size"] = 1
    for axis, size in zip(fixed["outputs"][0]["axes"][-2:], (SIDE, {"tensor_id": "raw", "axis_id": "x"}), strict=True):
        axis.pop("halo")
        axis["size"] = size
    progress = RecordingProgress()
    design = read(tmp_path, fixed, progress).card.architecture
    assert (design.rows.least, design.rows.step, design.columns.least, design.columns.step) == (SIDE, 0, 16, 8)
    assert (design.halo, design.stride) == (SIDE // 8, 72)  # an eighth of the size, where no halo is stated
    assert any("states no halo" in notice for notice in progress.notices)
    plain = changed(lambda one: [one[side][0]["axes"].pop(0) for side in ("inputs", "outputs")])
    graph = onnx.ModelProto.FromString(members()["network.onnx"])
    for value in (*graph.graph.input, *graph.graph.output):
        del value.type.tensor_type.shape.dim[0]
    for weight in graph.graph.initializer:
        del weight.dims[0]
    files = {
        "network_onnx": graph.SerializeToString(),
        "input_npy": array_bytes(IMAGE[0]),
        "output_npy": array_bytes(glowing_maps(scaled())[0]),
    }
    assert read(tmp_path, plain, **files).card.architecture.axes == "cyx"


@pytest.mark.parametrize("older", BOTH)
def test_what_a_valid_convolution_loses_is_told_by_the_offset(tmp_path, older):
    def lost(one: Description) -> None:
        output = one["outputs"][0]
        if older:
            output["shape"]["offset"] = [0, 1, -2, -2]
            return
        for axis in output["axes"][-2:]:
            axis["size"]["offset"] = -4

    found = graph_maps(blurring_graph(valid=True))
    description = changed(lost, older)
    files = {"network_onnx": blurring_graph(valid=True), "output_npy": array_bytes(found)}
    design = read(tmp_path, description, **files).card.architecture
    assert (design.lost, design.halo) == (2, 8)
    larger = changed(lost, older)
    if older:
        larger["outputs"][0]["shape"]["offset"] = [0, 1, 2, 2]
    else:
        larger["outputs"][0]["axes"][-1]["size"]["offset"] = -3
    refused(tmp_path, larger, "leaves open where they belong", **files)


def graph_maps(graph: bytes) -> np.ndarray:
    """What a graph makes of the prepared test image, by ONNX Runtime alone."""
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": scaled().astype(np.float32)})[0]


def test_fixed_shapes_in_the_older_version(tmp_path):
    def fixed(one: Description) -> None:
        one["inputs"][0]["shape"] = [1, 1, SIDE, SIDE]
        one["outputs"][0]["shape"] = [1, 2, SIDE, SIDE]

    design = read(tmp_path, changed(fixed, older=True)).card.architecture
    assert (design.rows.least, design.rows.step, design.halo, design.stride) == (SIDE, 0, 8, SIDE - 16)


def named(*names: str) -> Description:
    return changed(lambda one: one["outputs"][0]["axes"][1].update(channel_names=list(names)))


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (("Boundary", "FG"), ("border", "foreground")),
        (("nuclei", "nuclear_border", "distance to boundary"), ("foreground", "border", "distance")),
        (("background", "interior", "outline"), (None, "foreground", "border")),
        (("channel0", "channel1", "channel2"), ("foreground", "border", "distance")),
    ],
)
def test_maps_are_told_by_their_names_else_by_their_order(tmp_path, names, found):
    graph = blurring_graph(outputs=len(names))
    progress = RecordingProgress()
    model = read(tmp_path, named(*names), progress, network_onnx=graph, output_npy=array_bytes(graph_maps(graph)))
    assert tuple(one.name for one in model.card.architecture.outputs[0].maps) == found
    assert any("no names" in notice for notice in progress.notices) == ("channel0" in names)
    assert any("not used: background" in notice for notice in progress.notices) == (None in found)


def test_other_maps_are_refused(tmp_path):
    for names, said in (
        (("one",), "gives 1 maps, none of which says"),
        (("a", "b", "c", "d"), "gives 4 maps"),
        (("foreground", "flow"), "'foreground', 'flow', of which nuclei cannot be told"),
        (("foreground", "nuclei"), "cannot be told"),
    ):
        refused(tmp_path, named(*names), said)


def test_maps_in_outputs_of_their_own(tmp_path):
    def split(one: Description) -> None:
        first = one["outputs"][0]
        parts = []
        for name in ("boundary", "foreground"):
            part = json.loads(json.dumps(first))
            part["id"] = name
            part["axes"][1]["channel_names"] = ["channel0"]
            part["test_tensor"]["source"] = f"{name}.npy"
            parts.append(part)
        one["outputs"] = parts

    graph = onnx.ModelProto.FromString(members()["network.onnx"])
    for name, start in (("foreground", 0), ("boundary", 1)):
        for end, value in (("from", start), ("to", start + 1)):
            graph.graph.initializer.append(onnx.numpy_helper.from_array(np.array([value]), f"{name} {end}"))
        graph.graph.initializer.append(onnx.numpy_helper.from_array(np.array([1]), f"{name} axis"))
        inputs = ["maps", f"{name} from", f"{name} to", f"{name} axis"]
        graph.graph.node.append(onnx.helper.make_node("Slice", inputs, [name]))
    del graph.graph.output[:]
    shape = ["n", 1, "hh", "ww"]
    for name in ("boundary", "foreground"):
        graph.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape))
    maps = glowing_maps(scaled())
    files = members() | {
        "network.onnx": graph.SerializeToString(),
        "foreground.npy": array_bytes(maps[:, :1]),
        "boundary.npy": array_bytes(maps[:, 1:]),
    }
    model = read_package(write_package(tmp_path / "a.zip", changed(split), files), RecordingProgress())
    np.testing.assert_allclose(maps_of(model), maps[0], atol=1e-5)


def set_weights(**weights: object) -> Description:
    return changed(lambda one: one.update(weights=weights))


def coarser(one: Description) -> None:
    """With maps of half the resolution."""
    for axis in one["outputs"][0]["axes"][-2:]:
        del axis["halo"]
        axis["scale"] = 2.0


def square(one: Description) -> None:
    """As wide as high."""
    one["inputs"][0]["axes"][-1]["size"] = {"tensor_id": "raw", "axis_id": "y"}
    one["outputs"][0]["axes"][-1]["size"] = {"tensor_id": "raw", "axis_id": "y"}


def torch_weights(**more: object) -> dict[str, object]:
    return {"source": "network.onnx", "pytorch_version": "2.6", **more}


@pytest.mark.parametrize(
    ("description", "said"),
    [
        (set_weights(torchscript=torch_weights()), "TorchScript is code, which is never run.*ONNX form are needed"),
        (
            set_weights(pytorch_state_dict=torch_weights(architecture={"callable": "Net", "source": "net.py"})),
            "needs the Python file of its network, which is code",
        ),
        (set_weights(keras_hdf5={"source": "a.h5", "tensorflow_version": "2"}), "Keras needs TensorFlow"),
        (set_weights(tensorflow_js={"source": "a.zip", "tensorflow_version": "2"}), "TensorFlow is not part"),
        (set_weights(), "holds weights as nothing"),
        (set_weights(onnx={"source": "https://example.org/a.onnx", "opset_version": 17}), "Nothing is downloaded"),
        (set_weights(onnx={"source": "missing.onnx", "opset_version": 17}), "lacks 'missing.onnx'"),
        (set_weights(onnx={"source": "../network.onnx", "opset_version": 17}), "lacks|does not keep to"),
        (
            set_weights(onnx={"source": "network.onnx", "opset_version": 17, "external_data": {"source": "a.data"}}),
            "in another file, which is never opened",
        ),
        (set_weights(onnx={"source": "network.onnx", "opset_version": 17, "sha256": "0" * 64}), "its hash .* differs"),
        (changed(lambda one: one.update(format_version="0.3.6")), "not a model in version 0.4 or 0.5"),
        (changed(lambda one: one.update(type="dataset")), "but a dataset in version"),
        (changed(lambda one: one.update(inputs=1.5)), "does not keep to the BioImage.IO format: .*inputs"),
        (changed(lambda one: one.pop("outputs")), "does not keep to the BioImage.IO format: .*outputs"),
        (changed(lambda one: one["inputs"][0].update(output_of="other-model")), "takes the output of another model"),
        (
            changed(lambda one: one["inputs"][0]["test_tensor"].update(source="http://example.org/a.npy")),
            "Nothing is downloaded",
        ),
        (
            changed(lambda one: one["inputs"].append({**json.loads(json.dumps(one["inputs"][0])), "id": "two"})),
            "takes 2 images at once",
        ),
        (
            changed(lambda one: one["inputs"][0]["axes"].insert(2, {"type": "space", "id": "z", "size": 16})),
            "takes volumes",
        ),
        (
            changed(lambda one: one["inputs"][0]["axes"].insert(2, {"type": "time", "size": 5})),
            "takes movies",
        ),
        (
            changed(lambda one: one["inputs"][0]["axes"].insert(2, {"type": "index", "size": 5})),
            "an axis 'index', which images of nuclei do not have",
        ),
        (
            changed(square),
            "follows that of another axis",
        ),
        (
            changed(
                lambda one: [axis.pop("halo") and axis.update(scale=2.0) for axis in one["outputs"][0]["axes"][-2:]]
            ),
            "another resolution",
        ),
        (
            changed(lambda one: one["outputs"][0]["axes"][-1].update(halo=2000)),
            "does not keep to|leave no pixels",
        ),
        (
            changed(lambda one: one["outputs"][0].update(postprocessing=[step("zero_mean_unit_variance", False)])),
            "measures the whole map, which is never there at once",
        ),
        (
            changed(lambda one: one["inputs"][0].update(preprocessing=[step("softmax", False, axis="channel")])),
            "'softmax', which is not understood|does not keep to",
        ),
        (
            changed(lambda one: one["inputs"][0]["preprocessing"][0]["kwargs"].update(axes=["x"])),
            "measures rows or columns by themselves",
        ),
        (
            changed(lambda one: one["inputs"][0].update(preprocessing=[step("scale_linear", False, gain=0.0)])),
            "values that make no sense",
        ),
        (
            changed(lambda one: one["outputs"][0].update(postprocessing=[step("ensure_dtype", False, dtype="bool")])),
            r"'ensure_dtype' \(bool\), which is not understood",
        ),
    ],
)
def test_what_cannot_be_imported_is_refused_with_what_would_work(tmp_path, description, said):
    refused(tmp_path, description, said)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"input_npy": b"text"}, "'input.npy' is no readable"),
        ({"input_npy": array_bytes(IMAGE[..., :50])}, "not of a size that the description allows"),
        ({"input_npy": array_bytes(IMAGE[0])}, "has 3 axes"),
        ({"output_npy": array_bytes(1 - glowing_maps(scaled()))}, "another map of foreground.* pixels are off"),
        ({"output_npy": array_bytes(glowing_maps(scaled())[..., :50])}, "of shape"),
        ({"network_onnx": blurring_graph(outputs=3)}, "its description"),
        ({"network_onnx": b"no graph"}, "readable ONNX file|holds no network"),
    ],
)
def test_a_package_that_fails_its_own_test_is_refused(tmp_path, files, said):
    refused(tmp_path, described(), said, **files)


def test_the_registry_takes_packages_and_gives_them_a_name_that_it_takes(tmp_path):
    registry = ModelRegistry(tmp_path / "own")
    named = changed(lambda one: one.update(name="Größe (2D), v1.0"), older=True)
    progress = RecordingProgress()
    entry = registry.add(write_package(tmp_path / "a.zip", named, name="bioimageio.yaml"), progress=progress)
    assert entry.name == "Gr e 2D v1.0"
    assert progress.notices
    assert registry.find(entry.name).card.architecture.runtime == "onnx"
    with pytest.raises(ModelFileError, match=r"installed already: a\.zip is the same model"):
        registry.add(tmp_path / "a.zip")
    with pytest.raises(ModelFileError, match="cannot be trained"):
        registry.export(entry.name, tmp_path / "out.zip")
    assert [path.name for path in tmp_path.glob("*.zip")] == ["a.zip"]
    registry.export(entry.name, tmp_path / "whole.safetensors")
