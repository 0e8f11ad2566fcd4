from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from napari_unet_nuclei.core.errors import ModelFileError
from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.image.sample import PlaneSample
from napari_unet_nuclei.core.image.steps import Linear, Steps
from napari_unet_nuclei.core.model.card import ModelCard, read_card
from napari_unet_nuclei.core.model.file import Model, read_model, save_model, start_from
from napari_unet_nuclei.core.model.onnx_design import OnnxOutput, OutputMap, SideRule
from napari_unet_nuclei.core.model.onnx_network import OnnxNetwork
from napari_unet_nuclei.core.progress import Silent
from napari_unet_nuclei.core.segment.network_runner import NetworkRunner
from napari_unet_nuclei.core.segment.predict import predict_plane
from tests.helpers.onnx_graphs import ANY, blurring_graph, design_of, glowing_graph, model_of
from tests.helpers.tiny import FLOAT32, GREY, TINY, tiny_model

IMAGE = np.random.default_rng(1).random((1, 50, 70), np.float32)
WHOLE = OnnxNetwork(blurring_graph(), design_of()).maps_of(IMAGE)
"""Maps of the graph run once, on all of the image."""


def maps(network: OnnxNetwork, image: np.ndarray = IMAGE) -> np.ndarray:
    return network(torch.from_numpy(image[None]))[0].numpy()


def test_a_graph_of_any_size_sees_the_image_whole_and_the_foreground_stands_for_the_distance():
    found = maps(OnnxNetwork(blurring_graph(), design_of()))
    np.testing.assert_array_equal(found, WHOLE)
    np.testing.assert_array_equal(found[2], found[0])


@pytest.mark.parametrize(
    ("rows", "columns"),
    [
        (SideRule(least=64, step=16), None),  # grown to the next size
        (SideRule(least=20), None),  # windows of one size
        (SideRule(least=33), SideRule(least=24)),
        (SideRule(least=96), SideRule(least=8, step=4)),  # larger than the image, and any multiple
        (SideRule(least=7, step=5), SideRule(least=200, step=1)),
    ],
)
@pytest.mark.parametrize("valid", [False, True])
def test_sizes_and_halo_are_kept_to_and_change_nothing(rows, columns, valid):
    # Within 2 px of the image's edge the convolution sees what was added there.
    margin = {"halo": 0, "lost": 2} if valid else {"halo": 2}
    network = OnnxNetwork(blurring_graph(valid=valid), design_of(rows, columns, **margin))
    asked = []
    once = network.maps_of
    network.maps_of = lambda window: asked.append(window.shape[1:]) or once(window)
    np.testing.assert_allclose(maps(network)[:, 2:-2, 2:-2], WHOLE[:, 2:-2, 2:-2], atol=1e-6)
    for height, width in asked:
        assert rows.allowed(height) == height
        assert (columns or rows).allowed(width) == width


@pytest.mark.parametrize("axes", ["bcyx", "byxc", "yxc", "bczyx", "tcyx", "cxyb"])
def test_axes_lie_in_any_order(axes):
    order = [letter for letter in axes if letter in "cyx"]
    there = ["cyx".index(letter) for letter in order]
    nodes = [
        helper.make_node("Reshape", ["x", "sizes"], ["plain"]),
        helper.make_node("Transpose", ["plain"], ["cyx"], perm=[order.index(letter) for letter in "cyx"]),
        helper.make_node("Reshape", ["cyx", "one"], ["image"]),
        helper.make_node("Conv", ["image", "kernel"], ["found"], pads=[2] * 4),
        helper.make_node("Sigmoid", ["found"], ["answer"]),
        helper.make_node("Reshape", ["answer", "two"], ["flat"]),
        helper.make_node("Transpose", ["flat"], ["ordered"], perm=there),
        helper.make_node("Reshape", ["ordered", "back"], ["maps"]),
    ]
    of = {"c": 1, "y": 50, "x": 50}
    whole = onnx.ModelProto.FromString(blurring_graph()).graph.initializer[0]
    weights = {
        "sizes": np.array([of[letter] for letter in order]),
        "one": np.array([1, 1, 50, 50]),
        "two": np.array([2, 50, 50]),
        "back": np.array([{**of, "c": 2}.get(letter, 1) for letter in axes]),
        "kernel": numpy_helper.to_array(whole),
    }
    graph = onnx.ModelProto.FromString(model_of(nodes, weights))
    for value in (*graph.graph.input, *graph.graph.output):
        value.type.tensor_type.shape.ClearField("dim")
        value.type.tensor_type.shape.dim.extend([onnx.TensorShapeProto.Dimension() for _ in axes])
    output = OnnxOutput(axes=axes, maps=(OutputMap(name="foreground"), OutputMap(name="border")))
    network = OnnxNetwork(graph.SerializeToString(), design_of(SideRule(least=50), axes=axes, outputs=(output,)))
    square = IMAGE[:, :, :50]
    np.testing.assert_allclose(
        maps(network, square), maps(OnnxNetwork(blurring_graph(), design_of()), square), atol=1e-6
    )


def test_maps_come_in_any_order_with_steps_of_their_own_and_never_leave_0_and_1():
    steps = (Linear(subtracted=(0.2,), divisor=(0.1,)),)
    named = (OutputMap(name="border"), OutputMap(name=None), OutputMap(name="foreground", steps=steps))
    graph = blurring_graph(outputs=3)
    network = OnnxNetwork(graph, design_of(outputs=(OnnxOutput(axes="bcyx", maps=named),)))
    border, _, foreground = network.outputs_of(IMAGE)[0]
    found = maps(network)
    np.testing.assert_array_equal(found[1], border)
    np.testing.assert_allclose(found[0], np.clip((foreground - 0.2) / 0.1, 0, 1), atol=1e-6)
    assert found.min() >= 0
    assert found.max() <= 1


def test_an_output_of_another_shape_than_described_is_refused():
    further = OnnxOutput(axes="bcyx", maps=(OutputMap(name=None),))
    for design in (design_of(lost=1), design_of(outputs=(*design_of().outputs, further)), design_of(axes="cyx")):
        with pytest.raises(ModelFileError, match="description"):
            maps(OnnxNetwork(blurring_graph(), design))
    with pytest.raises(ModelFileError, match="description"):
        maps(OnnxNetwork(blurring_graph(outputs=3), design_of()))


@pytest.mark.parametrize("rule", [SideRule(least=8, step=2), SideRule(least=48)])
def test_tiles_and_blocks_show_what_the_whole_plane_does(rule):
    pooled = OnnxNetwork(blurring_graph(pooled=True), design_of(rule, halo=4))
    model = Model(ModelCard(name="elsewhere", architecture=pooled.design), pooled)
    image = np.random.default_rng(2).random((1, 150, 190), np.float32)[0]
    reader = PlaneSample.whole(ImageSource(image, "YX")).open(GREY, model.card.scaling)
    whole = predict_plane(reader, 1.0, NetworkRunner(model, FLOAT32, 1024), Silent()).maps
    tiled = predict_plane(reader, 1.0, NetworkRunner(model, FLOAT32, 64), Silent()).maps
    block = predict_plane(reader, 1.0, NetworkRunner(model, FLOAT32, 64), Silent(), region=(33, 101, 50, 131)).maps
    np.testing.assert_array_equal(tiled, whole)
    np.testing.assert_array_equal(block, whole[:, 33:101, 50:131])


def test_a_model_file_holds_the_graph_and_reads_it_back(tmp_path):
    network = OnnxNetwork(glowing_graph(), design_of(preprocessing=Steps((Linear(subtracted=(0,), divisor=(9,)),))))
    card = save_model(tmp_path / "a.safetensors", Model(ModelCard(name="a", architecture=network.design), network))
    assert read_card(tmp_path / "a.safetensors") == card
    read = read_model(tmp_path / "a.safetensors")
    np.testing.assert_array_equal(maps(read.network), maps(network))
    with pytest.raises(ModelFileError, match="cannot be trained"):
        start_from(read, TINY)
    with pytest.raises(ModelFileError, match="cannot be trained"):
        _ = read.unet
    (tmp_path / "a.safetensors").write_bytes((tmp_path / "a.safetensors").read_bytes()[:-1] + b"\0")
    with pytest.raises(ModelFileError, match="changed after"):
        read_model(tmp_path / "a.safetensors")


def test_the_weights_of_another_network_do_not_fit(tmp_path):
    odd = Model(ModelCard(name="a", architecture=design_of()), tiny_model().network)
    save_model(tmp_path / "a.safetensors", odd)
    with pytest.raises(ModelFileError, match="do not fit"):
        read_model(tmp_path / "a.safetensors")


def changed(**parts) -> bytes:
    """The blurring graph with something added to it."""
    model = onnx.ModelProto.FromString(blurring_graph())
    model.graph.node.extend(parts.get("nodes", []))
    model.graph.initializer.extend(parts.get("weights", []))
    model.graph.sparse_initializer.extend(parts.get("sparse", []))
    model.functions.extend(parts.get("functions", []))
    return model.SerializeToString()


def outside() -> TensorProto:
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="../../etc/passwd")
    return tensor


def unsafe_graphs() -> dict[str, tuple[bytes, str]]:
    inner = helper.make_graph([helper.make_node("Identity", ["x"], ["z"])], "g", [], [])
    hidden = helper.make_node("Constant", [], ["c"], value=outside())
    sparse = onnx.SparseTensorProto(dims=[10**6, 10**6])
    return {
        "text": (b"no graph at all", "not a readable ONNX file|holds no network"),
        "empty": (b"", "holds no network"),
        "another file": (changed(weights=[outside()]), r"another file \(../../etc/passwd\)"),
        "another file, in a constant": (changed(nodes=[hidden]), "another file"),
        "an operator of somebody": (
            changed(nodes=[helper.make_node("Steal", ["x"], ["z"], domain="evil.org")]),
            "Steal of 'evil.org'",
        ),
        "a loop": (changed(nodes=[helper.make_node("Loop", ["", ""], ["z"], body=inner)]), "loops or branches"),
        "a function": (
            changed(functions=[helper.make_function("f", "F", ["x"], ["z"], [], [helper.make_opsetid("", 17)])]),
            "functions of its own",
        ),
        "sparse weights": (changed(sparse=[sparse]), "sparse"),
        "a sparse constant": (changed(nodes=[helper.make_node("Constant", [], ["c"], sparse_value=sparse)]), "sparse"),
        "weights larger than the file": (
            changed(weights=[TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2**40])]),
            "larger than its file",
        ),
        "too many operators": (
            changed(nodes=[helper.make_node("Identity", ["x"], [f"z{n}"]) for n in range(20_001)]),
            "too many",
        ),
        "an unknown operator": (changed(nodes=[helper.make_node("Nothing", ["x"], ["z"])]), "cannot run the network"),
    }


UNSAFE = unsafe_graphs()


@pytest.mark.parametrize("name", UNSAFE)
def test_an_unsafe_graph_is_refused_before_it_runs(name):
    graph, said = UNSAFE[name]
    with pytest.raises(ModelFileError, match=said):
        OnnxNetwork(graph, design_of())


def test_a_graph_that_wants_all_memory_fails_and_nothing_else_does():
    nodes = [
        helper.make_node(
            "ConstantOfShape", ["size"], ["huge"], value=helper.make_tensor("v", TensorProto.FLOAT, [1], [1])
        ),
        helper.make_node("ReduceMax", ["huge"], ["largest"], keepdims=0),
        helper.make_node("Add", ["x", "largest"], ["more"]),
        helper.make_node("Concat", ["more", "x"], ["maps"], axis=1),
    ]
    network = OnnxNetwork(model_of(nodes, {"size": np.array([300_000, 300_000])}), design_of())
    with pytest.raises(MemoryError, match="not enough memory"):
        maps(network)
    np.testing.assert_array_equal(maps(OnnxNetwork(blurring_graph(), design_of(ANY))), WHOLE)
