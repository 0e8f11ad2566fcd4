"""Check an ONNX graph before anything runs it: no code, no files beside it, no loops, nothing larger than it says."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from napari_unet_nuclei.core.errors import ModelFileError
from napari_unet_nuclei.core.model.extra import extra_module

STANDARD = ("", "ai.onnx")
"""Names of the set of operators that every runtime has. Others may be anybody's code."""

MOST_NODES = 20_000

LARGEST_ELEMENT = 16
"""Bytes of a number, at most."""

WHAT_WORKS = "Export the network as one ONNX file of standard operators, with its weights inside."


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
