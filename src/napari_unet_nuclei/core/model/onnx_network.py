"""Run a network from elsewhere, an ONNX graph, the way the engine runs its own: any rectangle in, its maps out."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from napari_unet_nuclei.core.errors import ModelFileError
from napari_unet_nuclei.core.model.extra import extra_module
from napari_unet_nuclei.core.model.onnx_design import DECODED_MAPS, OnnxDesign, OnnxOutput, SideRule

LARGEST_MEMORY = 8 * 2**30
"""Bytes that all graphs may take while they run: one that asks for more fails, and the computer goes on."""

DTYPES: dict[str, type[np.generic]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
    "tensor(int8)": np.int8,
    "tensor(uint16)": np.uint16,
    "tensor(int16)": np.int16,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
}
"""Types of numbers that an input may have, by ONNX Runtime's names."""

STANDARD = ("", "ai.onnx")
"""Names of the set of operators that every runtime has. Others may be anybody's code."""

MOST_NODES = 20_000

LARGEST_ELEMENT = 16
"""Bytes of a number, at most."""

WHAT_WORKS = "Export the network as one ONNX file of standard operators, with its weights inside."


class OnnxNetwork(nn.Module):
    """An ONNX graph, called as its design says; gives maps from 0 to 1, not logits.

    A rectangle is given to the graph whole where it takes any size, mirrored at its edges by the margin; a graph of one
    size gets window after window, on multiples of the design's stride, so that a pixel is always seen in the same one.

    Raise ModelFileError if the graph is not safe, does not fit the design, or ONNX Runtime is not installed.
    """

    onnx: Tensor

    def __init__(self, graph: bytes, design: OnnxDesign) -> None:
        super().__init__()
        check_graph(graph)
        self.design = design
        # As a buffer it is what a model file holds, like the weights of any other network.
        self.register_buffer("onnx", torch.frombuffer(bytearray(graph), dtype=torch.uint8))
        self._session = _session(graph)
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        if len(inputs) != 1 or len(outputs) < len(design.outputs):
            raise ModelFileError(
                f"The ONNX network has {len(inputs)} inputs and {len(outputs)} outputs, other numbers than its "
                f"description, which has 1 and {len(design.outputs)}."
            )
        self._input = inputs[0].name
        self._outputs = [one.name for one in outputs[: len(design.outputs)]]
        if inputs[0].type not in DTYPES or len(inputs[0].shape) != len(design.axes):
            raise ModelFileError(
                f"The ONNX network takes {inputs[0].type} of {len(inputs[0].shape)} axes, but its description says "
                f"'{design.axes}'."
            )
        self._dtype = DTYPES[inputs[0].type]

    def forward(self, batch: Tensor) -> Tensor:
        """Map prepared images (N, C, Y, X), sides multiples of the stride, to maps (N, 3, Y, X) from 0 to 1."""
        images = batch.detach().to("cpu", torch.float32).contiguous().numpy()
        return torch.from_numpy(np.stack([self._maps(image) for image in images]))

    def _maps(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        height, width = image.shape[1:]
        design = self.design
        rows = _windows(height, design.rows, design.margin, design.stride)
        columns = _windows(width, design.columns, design.margin, design.stride)
        lengths = (_end(rows) - height, _end(columns) - width)
        beyond = [(design.margin, length - design.margin) for length in lengths]
        # Mirrored, as the format's own tools do: a step in brightness would look like an outline.
        padded = np.pad(image, ((0, 0), *beyond), mode="reflect")
        maps = np.empty((len(DECODED_MAPS), height, width), np.float32)
        for y0, y1, rows_read in rows:
            for x0, x1, columns_read in columns:
                window = padded[:, y0 : y0 + rows_read, x0 : x0 + columns_read]
                found = self.maps_of(window)
                maps[:, y0:y1, x0:x1] = found[:, design.halo :, design.halo :][:, : y1 - y0, : x1 - x0]
        return maps

    def maps_of(self, window: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run the graph once on a prepared window (C, Y, X) of a size that it takes; return its maps (3, Y, X)."""
        outputs = self.outputs_of(window)
        by_name: dict[str, NDArray[np.float64]] = {}
        for output, channels in zip(self.design.outputs, outputs, strict=True):
            for one, values in zip(output.maps, channels, strict=True):
                if one.name:
                    made = values.astype(np.float64)
                    for step in one.steps:
                        made = step.apply(made)
                    by_name[one.name] = made
        # Where no distance is given, the notch between two nuclei is told from their borders alone.
        by_name.setdefault("distance", by_name["foreground"])
        maps = np.stack([by_name[name] for name in DECODED_MAPS])
        # Beyond 0 and 1 the 8 bits of a map would wrap around.
        return np.clip(np.nan_to_num(maps), 0, 1).astype(np.float32)

    def outputs_of(self, window: NDArray[np.float32]) -> list[NDArray[np.generic]]:
        """Run the graph once; return the channels (K, Y, X) of each output, before any step is taken."""
        letters = [letter for letter in self.design.axes if letter in "cyx"]
        image = window if "c" in letters else window[0]
        fed = np.transpose(image, ["cyx".index(one) - (3 - len(letters)) for one in letters])
        fed = fed.reshape([1 if letter not in "cyx" else size for letter, size in self._sizes(window)])
        answers = _run(self._session, self._outputs, {self._input: np.ascontiguousarray(fed, self._dtype)})
        lost = self.design.lost
        wanted = (window.shape[1] - 2 * lost, window.shape[2] - 2 * lost)
        return [_channels(answer, output, wanted) for answer, output in zip(answers, self.design.outputs, strict=True)]

    def _sizes(self, window: NDArray[np.float32]) -> list[tuple[str, int]]:
        sizes = dict(zip("cyx", window.shape, strict=True))
        return [(letter, sizes.get(letter, 1)) for letter in self.design.axes]


def _windows(size: int, rule: SideRule, margin: int, stride: int) -> list[tuple[int, int, int]]:
    """Windows along an axis: first pixel, one past the last that is used, and length read from ``margin`` before it."""
    if rule.step:
        return [(0, size, rule.allowed(size + 2 * margin))]
    return [(start, min(start + stride, size), rule.least) for start in range(0, size, stride)]


def _end(windows: list[tuple[int, int, int]]) -> int:
    """Length of the padded image in which all windows lie."""
    return max(start + length for start, _, length in windows)


def _channels(answer: NDArray[np.generic], output: OnnxOutput, plane: tuple[int, int]) -> NDArray[np.generic]:
    """Bring an output to (channels, Y, X); raise ModelFileError if it has another shape than its description says."""
    sizes = dict(zip(output.axes, answer.shape, strict=False))
    expected = {"c": len(output.maps), "y": plane[0], "x": plane[1]}
    if len(answer.shape) != len(output.axes) or any(size != expected.get(axis, 1) for axis, size in sizes.items()):
        raise ModelFileError(
            f"The ONNX network gives an output of shape {tuple(answer.shape)}, which its description "
            f"('{output.axes}', {len(output.maps)} maps of {plane[0]} x {plane[1]} pixels) does not say."
        )
    kept = [letter for letter in output.axes if letter in "cyx"]
    squeezed = answer.reshape([sizes[letter] for letter in kept])
    ordered = np.transpose(squeezed, [kept.index(letter) for letter in "cyx" if letter in kept])
    return ordered if "c" in kept else ordered[None]


@cache
def _limit_memory() -> None:
    """Limit what all sessions of this process may allocate; ONNX Runtime has one allocator for them all."""
    runtime = extra_module("onnxruntime", "A network in ONNX form")
    place = runtime.OrtMemoryInfo("Cpu", runtime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, runtime.OrtMemType.DEFAULT)
    runtime.create_and_register_allocator(place, runtime.OrtArenaCfg({"max_mem": LARGEST_MEMORY}))


def _session(graph: bytes) -> Any:
    runtime = extra_module("onnxruntime", "A network in ONNX form")
    _limit_memory()
    options = runtime.SessionOptions()
    options.add_session_config_entry("session.use_env_allocators", "1")
    # As many as PyTorch may use, which do not go on turning while there is nothing to do.
    options.intra_op_num_threads = torch.get_num_threads()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4  # errors come as exceptions
    try:
        return runtime.InferenceSession(
            graph,
            options,
            providers=["CPUExecutionProvider"],
            # Constants would be folded as it is loaded, by an allocator that knows no limit.
            disabled_optimizers=["ConstantFolding"],
            enable_fallback=0,  # which prints, and tries the same again
        )
    except Exception as error:  # its exceptions are of private types, which share no base of their own
        raise ModelFileError(f"ONNX Runtime cannot run the network: {_first_line(error)}") from error


def _run(session: Any, outputs: list[str], fed: dict[str, NDArray[np.generic]]) -> list[NDArray[np.generic]]:
    try:
        return list(session.run(outputs, fed))
    except Exception as error:
        # As PyTorch says it, where memory ran short: the runner then goes on with smaller tiles.
        if "memory" in str(error).lower():
            raise MemoryError(f"not enough memory: {_first_line(error)}") from error
        shape = next(iter(fed.values())).shape
        raise ModelFileError(f"The network failed on an image of shape {shape}: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:300] if str(error).strip() else type(error).__name__


def check_graph(graph: bytes) -> None:
    """Raise ModelFileError, which says why, if a graph is not one that can be run safely."""
    onnx = extra_module("onnx", "A network in ONNX form")
    try:
        model = onnx.ModelProto.FromString(graph)
    except Exception as error:  # protobuf raises its own, which differ from version to version
        raise ModelFileError(f"The network is not a readable ONNX file. {WHAT_WORKS}") from error
    if not model.graph.node:
        raise ModelFileError(f"The ONNX file holds no network. {WHAT_WORKS}")
    if len(model.graph.node) > MOST_NODES:
        raise ModelFileError(f"The ONNX network has more than {MOST_NODES:,} operators, too many to be run safely.")
    if model.functions:
        raise ModelFileError(f"The ONNX network defines functions of its own. {WHAT_WORKS}")
    if model.graph.sparse_initializer:
        raise ModelFileError(f"The ONNX network has sparse weights, which may unfold to any size. {WHAT_WORKS}")
    for node in model.graph.node:
        _check_node(node, onnx)
    for tensor in _tensors(model.graph):
        _check_tensor(tensor, len(graph), onnx)


def _check_node(node: Any, onnx: Any) -> None:
    if node.domain not in STANDARD:
        raise ModelFileError(
            f"The ONNX network uses the operator {node.op_type} of '{node.domain}', which is not a standard one. "
            f"{WHAT_WORKS}"
        )
    kinds = onnx.AttributeProto
    for attribute in node.attribute:
        if attribute.type in (kinds.GRAPH, kinds.GRAPHS):
            raise ModelFileError(
                f"The ONNX network has loops or branches ({node.op_type}), which may run for ever. {WHAT_WORKS}"
            )
        if attribute.type in (kinds.SPARSE_TENSOR, kinds.SPARSE_TENSORS):
            raise ModelFileError(f"The ONNX network has sparse weights, which may unfold to any size. {WHAT_WORKS}")


def _tensors(graph: Any) -> Iterator[Any]:
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors


def _check_tensor(tensor: Any, size: int, onnx: Any) -> None:
    if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
        raise ModelFileError(
            f"The ONNX network keeps weights in another file ({_path_of(tensor)}), which is never opened. {WHAT_WORKS}"
        )
    dims = list(tensor.dims)
    # A few bytes may claim to be a tensor of any size.
    if any(one < 0 for one in dims) or math.prod(dims) > LARGEST_ELEMENT * size:
        raise ModelFileError(f"The ONNX network claims weights that are larger than its file. {WHAT_WORKS}")


def _path_of(tensor: Any) -> str:
    return next((entry.value for entry in tensor.external_data if entry.key == "location"), "unnamed")
