"""ONNX graphs so small that a test can afford them, and designs that fit them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from napari_unet_nuclei.core.image.steps import Steps
from napari_unet_nuclei.core.model.onnx_design import OnnxDesign, OnnxOutput, OutputMap, SideRule

MAPS = ("foreground", "border")
ANY = SideRule(least=1, step=1)


def model_of(
    nodes: Sequence[onnx.NodeProto], weights: dict[str, np.ndarray], inputs: int = 1, outputs: int = 2
) -> bytes:
    """A graph from ``x`` (N, C, Y, X) to ``maps``."""
    graph = helper.make_graph(
        list(nodes),
        "network",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", inputs, "h", "w"])],
        [helper.make_tensor_value_info("maps", TensorProto.FLOAT, ["n", outputs, "hh", "ww"])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


def blurring_graph(inputs: int = 1, outputs: int = 2, *, pooled: bool = False, valid: bool = False) -> bytes:
    """A 5x5 convolution, a coarser look at it if ``pooled``, and a sigmoid; sees 2 px far, 3 px if pooled."""
    rng = np.random.default_rng(inputs * 10 + outputs)
    weights = {"kernel": rng.normal(0, 0.3, (outputs, inputs, 5, 5)).astype(np.float32)}
    pads = [0] * 4 if valid else [2] * 4
    nodes = [helper.make_node("Conv", ["x", "kernel"], ["seen"], pads=pads)]
    if pooled:
        weights["twice"] = np.array([1, 1, 2, 2], np.float32)
        nodes += [
            helper.make_node("MaxPool", ["seen"], ["coarse"], kernel_shape=[2, 2], strides=[2, 2]),
            helper.make_node("Resize", ["coarse", "", "twice"], ["wide"], mode="nearest"),
            helper.make_node("Sub", ["wide", "seen"], ["logits"]),
        ]
    else:
        nodes.append(helper.make_node("Identity", ["seen"], ["logits"]))
    nodes.append(helper.make_node("Sigmoid", ["logits"], ["maps"]))
    return model_of(nodes, weights, inputs, outputs)


def glowing_graph() -> bytes:
    """Foreground where a channel from 0 to 1 is above 0.35, and no borders: its nuclei are the bright pieces."""
    weights = {
        "gain": np.array([20, -20], np.float32).reshape(1, 2, 1, 1),
        "offset": np.array([-7, -40], np.float32).reshape(1, 2, 1, 1),
    }
    nodes = [
        helper.make_node("Mul", ["x", "gain"], ["scaled"]),
        helper.make_node("Add", ["scaled", "offset"], ["logits"]),
        helper.make_node("Sigmoid", ["logits"], ["maps"]),
    ]
    return model_of(nodes, weights)


def design_of(rows: SideRule = ANY, columns: SideRule | None = None, **changes: object) -> OnnxDesign:
    """How `blurring_graph` with two outputs is called."""
    output = OnnxOutput(axes="bcyx", maps=tuple(OutputMap(name=name) for name in MAPS))
    given = {"rows": rows, "columns": columns or rows, "outputs": (output,), "preprocessing": Steps(())}
    return OnnxDesign(**{**given, **changes})
