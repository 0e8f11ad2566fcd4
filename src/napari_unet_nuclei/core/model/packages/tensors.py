"""The tensors of a package's description, of the format's versions 0.4 and 0.5, in one form."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from napari_unet_nuclei.core.errors import ModelFileError
from napari_unet_nuclei.core.model.onnx_design import SideRule

LETTERS = {"batch": "b", "channel": "c", "time": "t"}
"""By the type of an axis; space is told by its name."""

Given = Mapping[str, Any]


@dataclass(frozen=True)
class Axis:
    """One axis of a tensor.

    Attributes
    ----------
    letter : str
        One of b, c, t, z, y, x.
    name : str
        As steps refer to it.
    rule : SideRule or None
        Sizes, where they are said; of the batch None.
    lost : int
        Pixels at each end that an output has less than the input.
    halo : int
        Pixels at each end of an output that are not to be trusted.
    channels : tuple of str
        Names of channels; empty names where there are none.
    """

    letter: str
    name: str
    rule: SideRule | None = None
    lost: int = 0
    halo: int = 0
    channels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Member:
    """A file in the package, with its SHA-256 where that is said."""

    name: str
    sha256: str = ""


@dataclass(frozen=True)
class Tensor:
    """An input or an output."""

    name: str
    axes: tuple[Axis, ...]
    steps: tuple[tuple[str, Given], ...]
    test: Member | None
    dtype: str = ""

    @property
    def letters(self) -> str:
        """Letters of all axes, in order."""
        return "".join(axis.letter for axis in self.axes)

    def axis(self, letter: str) -> Axis | None:
        """Return an axis by its letter."""
        return next((axis for axis in self.axes if axis.letter == letter), None)

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of its channels; one, the tensor's own, without an axis for them."""
        axis = self.axis("c")
        return axis.channels if axis else (self.name,)


@dataclass(frozen=True)
class Tensors:
    """The input that is needed, and the outputs."""

    input: Tensor
    outputs: tuple[Tensor, ...]


def member_of(value: object) -> Member | None:
    """Read a reference to a file, of either version; raise ModelFileError if it is an address."""
    if value is None:
        return None
    given = value if isinstance(value, Mapping) else {"source": value}
    source = str(given.get("source", ""))
    if "://" in source or source.startswith(("//", "www.")):
        raise ModelFileError(
            f"The package names {source} in place of a file. Nothing is downloaded: get the package as one zip file "
            "that holds all of its parts."
        )
    return Member(source.removeprefix("./"), str(given.get("sha256") or ""))


def read_tensors(content: Given) -> Tensors:
    """Read inputs and outputs of a description that the specification has accepted; raise ModelFileError otherwise."""
    older = str(content["format_version"]).startswith("0.4")
    inputs = [one for one in content["inputs"] if not one.get("optional")]
    if len(inputs) != 1:
        raise ModelFileError(
            f"The model takes {len(inputs)} images at once. Only models of one input image, of one or several "
            "channels, can be imported."
        )
    if older:
        tests = list(content.get("test_inputs") or [])
        first = _older_input(inputs[0], tests[0] if tests else None)
        outputs = _older_outputs(content, first)
    else:
        first = _input(inputs[0])
        outputs = tuple(_output(one, inputs[0]) for one in content["outputs"])
    return Tensors(first, outputs)


def _letter(axis: Given) -> str:
    kind, name = str(axis.get("type", "")), str(axis.get("id", ""))
    letter = LETTERS.get(kind) or (name if kind == "space" else "")
    if letter not in tuple("bctzyx"):
        raise ModelFileError(
            f"The model has an axis '{name or kind}', which images of nuclei do not have. Batch, channel, time, z, y "
            "and x are understood."
        )
    return letter


def _axes(given: Given, along: Callable[[Given, str, str], Axis]) -> tuple[Axis, ...]:
    """Read the axes of a tensor; ``along`` makes those along which pixels lie, of an axis, its letter and its name."""
    axes = []
    for axis in given["axes"]:
        letter = _letter(axis)
        name = str(axis.get("id") or axis["type"])
        if letter == "b":
            axes.append(Axis("b", name))
        elif letter == "c":
            axes.append(Axis("c", name, channels=tuple(str(one) for one in axis["channel_names"])))
        else:
            axes.append(along(axis, letter, name))
    return tuple(axes)


def _input(given: Given) -> Tensor:
    axes = _axes(given, lambda axis, letter, name: Axis(letter, name, _rule(axis["size"], name)))
    return Tensor(str(given["id"]), axes, _steps(given, "preprocessing"), _test(given), _dtype(given.get("data")))


def _dtype(data: object) -> str:
    first = data[0] if isinstance(data, Sequence) and not isinstance(data, str) and data else data
    return str(first.get("type") or "") if isinstance(first, Mapping) else ""


def _steps(given: Given, where: str) -> tuple[tuple[str, Given], ...]:
    """Names and arguments of steps; called ``id`` since 0.5, ``name`` before."""
    steps = given.get(where) or []
    return tuple((str(one.get("id") or one.get("name")), one.get("kwargs") or {}) for one in steps)


def _test(given: Given) -> Member | None:
    return member_of(given.get("test_tensor"))


def _rule(size: object, name: str) -> SideRule:
    """Read the sizes of an input's axis."""
    if isinstance(size, int):
        return SideRule(least=size)
    if isinstance(size, Mapping) and "min" in size:
        return SideRule(least=int(size["min"]), step=int(size["step"]))
    raise ModelFileError(
        f"The size of the input's axis '{name}' follows that of another axis. Only sizes that are fixed, or of the "
        "form min and step, can be imported."
    )


def _output(given: Given, source: Given) -> Tensor:
    def along(axis: Given, letter: str, name: str) -> Axis:
        return Axis(letter, name, lost=_lost(axis, letter, source), halo=int(axis.get("halo") or 0))

    return Tensor(str(given["id"]), _axes(given, along), _steps(given, "postprocessing"), _test(given))


def _lost(axis: Given, letter: str, source: Given) -> int:
    """Return how many pixels an output's axis has less at each end than the same axis of the input."""
    size = axis["size"]
    of_input = next((one for one in source["axes"] if _letter(one) == letter), None)
    if of_input is None:
        if size == 1:
            return 0
        raise ModelFileError(f"The output has an axis '{letter}' that the input does not have.")
    if isinstance(size, Mapping) and "axis_id" in size:
        if size["axis_id"] != of_input.get("id") or size["tensor_id"] != source["id"]:
            raise ModelFileError(
                f"The size of the output's axis '{letter}' follows that of another axis than the input's."
            )
        if float(axis.get("scale") or 1.0) != float(of_input.get("scale") or 1.0):
            raise ModelFileError(OTHER_SCALE)
        return _half(-int(size.get("offset") or 0))
    if isinstance(size, int) and isinstance(of_input["size"], int):
        return _half(of_input["size"] - size)
    raise ModelFileError(
        f"The output's axis '{letter}' has a size that does not follow from the input's, so that maps cannot be laid "
        "over the image."
    )


OTHER_SCALE = (
    "The model gives maps of another resolution than the image, so that they cannot be laid over it. Export it with "
    "maps of the image's resolution."
)


def _half(difference: int) -> int:
    """Half of the pixels by which an output is smaller than the input: those at each end."""
    if difference < 0 or difference % 2:
        raise ModelFileError(
            f"The model's maps are {abs(difference)} pixels {'larger' if difference < 0 else 'smaller'} than the "
            "image, which leaves open where they belong. Export it with maps of the image's size."
        )
    return difference // 2


def _older_input(given: Given, test: object) -> Tensor:
    shape = given["shape"]
    if isinstance(shape, Mapping):
        sizes = [(int(least), int(step)) for least, step in zip(shape["min"], shape["step"], strict=True)]
    else:
        sizes = [(int(size), 0) for size in shape]
    letters = _older_letters(given, len(sizes))
    axes = []
    for letter, (least, step) in zip(letters, sizes, strict=True):
        if letter == "b":
            axes.append(Axis("b", "b"))
        elif letter == "c":
            axes.append(Axis("c", "c", channels=("",) * least))
        else:
            axes.append(Axis(letter, letter, SideRule(least=least, step=step)))
    return Tensor(
        str(given["name"]),
        tuple(axes),
        _steps(given, "preprocessing"),
        member_of(test),
        str(given.get("data_type", "")),
    )


def _older_letters(given: Given, count: int) -> str:
    letters = str(given["axes"])
    unknown = sorted(set(letters) - set("bctzyx"))
    if unknown:
        _letter({"type": "index", "id": unknown[0]})
    if len(letters) != count or len(set(letters)) < count:
        raise ModelFileError(f"The model's axes '{letters}' do not fit its shape of {count} sizes.")
    return letters


def _older_outputs(content: Given, source: Tensor) -> tuple[Tensor, ...]:
    tests = list(content.get("test_outputs") or [])
    outputs = []
    for number, given in enumerate(content["outputs"]):
        shape = given["shape"]
        count = len(shape["scale"]) if isinstance(shape, Mapping) else len(shape)
        letters = _older_letters(given, count)
        halo = list(given.get("halo") or [0] * count)
        axes = [_older_axis(letter, place, shape, source, int(halo[place])) for place, letter in enumerate(letters)]
        test = member_of(tests[number]) if number < len(tests) else None
        outputs.append(Tensor(str(given["name"]), tuple(axes), _steps(given, "postprocessing"), test))
    return tuple(outputs)


def _older_axis(letter: str, place: int, shape: Any, source: Tensor, halo: int) -> Axis:
    if letter == "b":
        return Axis("b", "b")
    of_input = source.axis(letter)
    if isinstance(shape, Mapping):
        scale, offset = shape["scale"][place], float(shape["offset"][place])
        if letter == "c":
            channels = int(len(source.channels) * (scale or 0) + 2 * offset)
            return Axis("c", "c", channels=("",) * channels)
        if scale != 1 and of_input is not None:
            raise ModelFileError(OTHER_SCALE)
        return Axis(letter, letter, lost=_half(int(-2 * offset)) if of_input else 0, halo=halo)
    size = int(shape[place])
    if letter == "c":
        return Axis("c", "c", channels=("",) * size)
    rule = of_input.rule if of_input else None
    if rule is None or (rule.step and size != 1):
        if size == 1:
            return Axis(letter, letter)
        raise ModelFileError(
            f"The output's axis '{letter}' has a size that does not follow from the input's, so that maps cannot be "
            "laid over the image."
        )
    return Axis(letter, letter, lost=0 if size == 1 and letter in "tz" else _half(rule.least - size), halo=halo)
