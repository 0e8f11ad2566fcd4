"""Writes the smallest files of microscope makers' formats that their readers take, since no library writes them."""

from __future__ import annotations

import io
import struct
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import tifffile

LIF_AXES = {"X": 1, "Y": 2, "Z": 3, "T": 4, "λ": 5, "M": 10}


def write_lif(
    path: Path,
    images: list[np.ndarray],
    axes: str,
    pixel_size: float,
    names: Sequence[str] = (),
    dyes: Sequence[str] = (),
    times: Sequence[float] = (),
    interval: float = 0.0,
) -> None:
    """Write images of the same axes, ``pixel_size`` in m.

    Names may lie in folders ("TileScan 1/Position 2"). Colours (S) are stored as blue, green and red. ``times`` in
    seconds are of all planes and channels of a time point after each other; ``interval`` in seconds is of time points.
    """
    blocks, tree = [], ElementTree.Element("Element", Name="p", UniqueID="p")
    for number, image in enumerate(images):
        element = tree
        *folders, name = (names[number] if names else f"image {number}").split("/")
        for folder in folders:
            children = _child(element, "Children")
            found = [one for one in children if one.get("Name") == folder]
            element = found[0] if found else ElementTree.SubElement(children, "Element", Name=folder, UniqueID=folder)
            _child(_child(element, "Data"), "Collection")
        element = ElementTree.SubElement(_child(element, "Children"), "Element", Name=name, UniqueID=str(number))
        element.append(_lif_data(image, axes, pixel_size, dyes, times, interval))
        size, block = image.nbytes, f"MemBlock_{number}"
        ElementTree.SubElement(element, "Memory", Size=str(size), MemoryBlockID=block)
        head = struct.pack("<BQBI", 0x2A, size, 0x2A, len(block)) + block.encode("utf-16-le")
        stored = image[..., ::-1] if axes.endswith("S") else image
        blocks.append(struct.pack("<II", 0x70, len(head)) + head + stored.tobytes())
    root = ElementTree.Element("LMSDataContainerHeader", Version="2")
    root.append(tree)
    path.write_bytes(_lif_header(ElementTree.tostring(root, "unicode")) + b"".join(blocks))


def _lif_data(
    image: np.ndarray, axes: str, pixel_size: float, dyes: Sequence[str], times: Sequence[float], interval: float
) -> ElementTree.Element:
    """Describe an image as `write_lif` takes it."""
    steps = dict(zip(axes, (int(step) for step in np.zeros(image.shape, image.dtype).strides), strict=True))
    lengths = dict(zip(axes, image.shape, strict=True))
    data = ElementTree.Element("Data")
    about = ElementTree.SubElement(data, "Image")
    described = ElementTree.SubElement(about, "ImageDescription")
    channels = ElementTree.SubElement(described, "Channels")
    for channel, sample in np.ndindex(lengths.get("C", 1), lengths.get("S", 1)):
        one = ElementTree.SubElement(channels, "ChannelDescription", _texts(
            DataType=0, ChannelTag=3 - sample if "S" in axes else 0, Resolution=8 * image.itemsize,
            NameOfMeasuredQuantity="", Min=0, Max=1, Unit="", LUTName="Grey", IsLUTInverted=0,
            BytesInc=channel * steps.get("C", 0) + sample * steps.get("S", 0), BitInc=0,
        ))  # fmt: skip
        if dyes:
            entry = ElementTree.SubElement(one, "ChannelProperty")
            ElementTree.SubElement(entry, "Key").text = "DyeName"
            ElementTree.SubElement(entry, "Value").text = dyes[channel]
    dimensions = ElementTree.SubElement(described, "Dimensions")
    for letter in reversed([letter for letter in axes if letter not in "CS"]):
        step = {"T": interval, "M": 1.0}.get(letter, pixel_size)
        ElementTree.SubElement(dimensions, "DimensionDescription", _texts(
            DimID=LIF_AXES[letter], NumberOfElements=lengths[letter], Origin=0,
            Length=step * (lengths[letter] - 1), Unit="s" if letter == "T" else "m", BitInc=0, BytesInc=steps[letter],
        ))  # fmt: skip
    if times:
        stamps = [134_000_000_000_000_000 + round(time * 1e7) for time in times]
        ElementTree.SubElement(about, "TimeStampList").text = " ".join(f"{stamp:x}" for stamp in stamps)
    return data


def write_lof(path: Path, image: np.ndarray, axes: str, pixel_size: float) -> None:
    """Write one image into a file of its own, as projects hold them that are kept as single files."""
    root = ElementTree.Element("LMSDataContainerHeader", Version="2")
    element = ElementTree.SubElement(root, "Element", Name=path.stem, UniqueID="0")
    element.append(_lif_data(image, axes, pixel_size, (), (), 0.0))
    ElementTree.SubElement(element, "Memory", Size=str(image.nbytes), MemoryBlockID="MemBlock_0")
    block = struct.pack("<BIBI", 0x2A, 2, 0x2A, 0) + struct.pack("<BQ", 0x2A, image.nbytes) + image.tobytes()
    path.write_bytes(_lif_header("LMS_Object_File") + block + _lif_header(ElementTree.tostring(root, "unicode")))


def write_xlef(path: Path, images: dict[str, np.ndarray], axes: str, pixel_size: float) -> None:
    """Write a project of single files: itself, and for every image its description (.xlif) and pixels (.lof)."""
    root = ElementTree.Element("LMSDataContainerHeader", Version="2")
    element = ElementTree.SubElement(root, "Element", Name=path.stem, UniqueID="p")
    ElementTree.SubElement(ElementTree.SubElement(element, "Data"), "Experiment")
    children = ElementTree.SubElement(element, "Children")
    for name, image in images.items():
        write_lof(path.with_name(f"{name}.lof"), image, axes, pixel_size)
        ElementTree.SubElement(children, "Reference", File=f"{name}.xlif", UUID=name)
        described = ElementTree.Element("LMSDataContainerHeader", Version="2")
        own = ElementTree.SubElement(described, "Element", Name=name, UniqueID=name)
        own.append(_lif_data(image, axes, pixel_size, (), (), 0.0))
        memory = ElementTree.SubElement(own, "Memory", Size=str(image.nbytes), MemoryBlockID="MemBlock_0")
        ElementTree.SubElement(memory, "Block", File=f"{name}.lof", Offset="0", Size=str(image.nbytes), UUID=name)
        path.with_name(f"{name}.xlif").write_bytes(ElementTree.tostring(described, "utf-8", xml_declaration=True))
    path.write_bytes(ElementTree.tostring(root, "utf-8", xml_declaration=True))


def _lif_header(text: str) -> bytes:
    encoded = text.encode("utf-16-le")
    return struct.pack("<IIBI", 0x70, len(encoded) + 5, 0x2A, len(text)) + encoded


def _child(element: ElementTree.Element, name: str) -> ElementTree.Element:
    found = element.find(name)
    return ElementTree.SubElement(element, name) if found is None else found


def _texts(**values: object) -> dict[str, str]:
    return {name: str(value) for name, value in values.items()}


def write_czi(
    path: Path,
    pieces: np.ndarray,
    pixel_size: float,
    channels: list[str],
    apart: int = 0,
    axis: str = "S",
    reduced: bool = False,
    times: Sequence[float] = (),
    described: str = "",
) -> None:
    """Write scenes, or what else ``axis`` names, of axes (S, C, Y, X), uint16; ``pixel_size`` in m.

    Scenes lie ``apart`` pixels from each other on the slide. With ``reduced``, copies of half the size follow, as slide
    scanners write them, of zeros. ``times`` are attached in seconds; ``described`` is more of what is said
    of dimensions.
    """
    entries, segments = [], []
    position = 32 + 512
    for step in (1, 2) if reduced else (1,):
        for number, channel in np.ndindex(*pieces.shape[:2]):
            plane = pieces[number, channel, ::step, ::step] // step**9
            place = [("X", number * apart, pieces.shape[3]), ("Y", 0, pieces.shape[2])]
            stored = {"X": plane.shape[1], "Y": plane.shape[0]}
            sizes = (*place, ("C", channel, 1), (axis, number, 1))
            dimensions = b"".join(
                struct.pack("<4siifi", name.encode(), at, size, 0.0, stored.get(name, size)) for name, at, size in sizes
            )
            head = struct.pack("<2siqiiBB4si", b"DV", 1, position, 0, 0, step - 1, 0, bytes(4), len(sizes))
            entry = head + dimensions
            padding = bytes(max(240 - len(entry), 0))
            content = struct.pack("<iiq", 0, 0, plane.nbytes) + entry + padding + plane.tobytes()
            segments.append(_segment(b"ZISRAWSUBBLOCK", content))
            position += len(segments[-1])
            entries.append(entry)
    directory = _segment(b"ZISRAWDIRECTORY", struct.pack("<i", len(entries)) + bytes(124) + b"".join(entries))
    distances = "".join(f'<Distance Id="{letter}"><Value>{pixel_size}</Value></Distance>' for letter in "XY")
    named = "".join(f'<Channel Id="Channel:{number}" Name="{name}"/>' for number, name in enumerate(channels))
    dimensions_xml = f"<Dimensions><Channels>{named}</Channels>{described}</Dimensions>"
    image = f"<Information><Image>{dimensions_xml}</Image></Information>"
    scaling = f"<Scaling><Items>{distances}</Items></Scaling>"
    xml = f"<ImageDocument><Metadata>{image}{scaling}</Metadata></ImageDocument>".encode()
    metadata = _segment(b"ZISRAWMETADATA", struct.pack("<ii", len(xml), 0) + bytes(248) + xml)
    places = [position, position + len(directory), 0]
    attached = b""
    if times:
        place = position + len(directory) + len(metadata)
        about = struct.pack("<2s10xqi16s8s80s", b"A1", place, 0, bytes(16), b"CZTIMS", b"TimeStamps")
        stamps = struct.pack("<ii", 8 + 8 * len(times), len(times)) + np.array(times, "<f8").tobytes()
        attached = _segment(b"ZISRAWATTACH", struct.pack("<q", len(stamps)) + bytes(8) + about + bytes(112) + stamps)
        places[2] = place + len(attached)
        attached += _segment(b"ZISRAWATTDIR", struct.pack("<i", 1) + bytes(252) + about)
    header = struct.pack("<iiii16s16siqqiq", 1, 0, 0, 0, b"p" * 16, b"p" * 16, 0, places[0], places[1], 0, places[2])
    start = _segment(b"ZISRAWFILE", header + bytes(512 - len(header)))
    path.write_bytes(start + b"".join(segments) + directory + metadata + attached)


def _segment(name: bytes, content: bytes) -> bytes:
    return struct.pack("<16sqq", name, len(content), len(content)) + content


def write_nd2(
    path: Path,
    frames: np.ndarray,
    pixel_size: float,
    channels: list[str],
    described: bool = True,
    loops: str = "",
    times: list[float] | None = None,
    taken: int | None = None,
    lost: Collection[int] = (),
) -> None:
    """Write frames of axes (``loops``, C, Y, X), or (``loops``, C, Y, X, 3) in colour; ``pixel_size`` in µm.

    Channels are written with or without their stain; ``loops`` are T, P and Z, the slowest first; ``times`` in seconds,
    one per frame, are left out if None; of an acquisition that was stopped, ``taken`` frames are written, and of those
    none that are ``lost``.
    """
    samples = frames.shape[-1] if frames.ndim == len(loops) + 4 else 1
    count, height, width = frames.shape[len(loops) :][:3]
    sequence = frames.reshape(-1, count, height, width, samples)[:taken]
    attributes = {
        "uiWidth": width,
        "uiWidthBytes": width * count * samples * frames.itemsize,
        "uiHeight": height,
        "uiComp": count * samples,
        "uiBpcInMemory": 8 * frames.itemsize,
        "uiBpcSignificant": 8 * frames.itemsize,
        "uiSequenceCount": len(sequence),
        "eCompression": 2,
    }
    probe = {"m_ExcitationSpectrum": {"uiCount": 0}} if described else {}
    planes = {
        f"a{number}": {"sDescription": name, "uiCompCount": samples, "pFluorescentProbe": probe}
        for number, name in enumerate(channels)
    }
    metadata = {
        "dCalibration": pixel_size,
        "bCalibrated": True,
        "sPicturePlanes": {"uiCount": count, "uiCompCount": count * samples, "sPlaneNew": planes},
    }
    chunks = {
        b"ND2 FILE SIGNATURE CHUNK NAME01!": b"Ver3.0".ljust(64, b"\0"),
        b"ImageAttributesLV!": _lite_variant({"SLxImageAttributes": attributes}),
        b"ImageMetadataSeqLV|0!": _lite_variant({"SLxPictureMetadata": metadata}),
    }
    if loops:
        chunks[b"ImageMetadataLV!"] = _lite_variant({"SLxExperiment": _experiment(loops, frames.shape)})
    if times is not None:
        chunks[b"CustomData|AcqTimesCache!"] = (1000 * np.array(times, "<f8")).tobytes()
    for number, frame in enumerate(sequence):
        if number in lost:
            continue
        stored = np.moveaxis(frame[..., ::-1] if samples == 3 else frame, 0, 2)  # blue, green, red
        chunks[b"ImageDataSeq|%d!" % number] = struct.pack("<d", 0.0) + stored.tobytes()
    content, places = b"", b""
    for name, value in chunks.items():
        places += name + struct.pack("<QQ", len(content), len(value))
        padded = name.ljust(4072, b"\0") if name.startswith(b"ImageDataSeq") else name  # pixels are aligned
        content += struct.pack("<IIQ", 0x0ABECEDA, len(padded), len(value)) + padded + value
    signature = b"ND2 CHUNK MAP SIGNATURE 0000001!"
    name, places = b"ND2 FILEMAP SIGNATURE NAME 0001!", places + signature + bytes(16)
    table = struct.pack("<IIQ", 0x0ABECEDA, len(name), len(places)) + name + places
    path.write_bytes(content + table + signature + struct.pack("<Q", len(content)))


def _experiment(loops: str, lengths: tuple[int, ...]) -> dict[str, object]:
    """Describe nested loops, each by the next level of the one before."""
    count = lengths[0]
    points = {f"i{at}": {"dPosX": float(at), "dPosName": f"#{at + 1}"} for at in range(count)}
    kinds: dict[str, tuple[int, dict[str, object]]] = {
        "T": (1, {"uiCount": count, "dStart": 0.0, "dPeriod": 5000.0, "dDuration": 5000.0 * count}),
        "P": (2, {"uiCount": count, "Points": points}),
        "Z": (4, {"uiCount": count, "dZLow": 0.0, "dZHigh": 2.0 * (count - 1), "dZStep": 2.0}),
    }
    kind, parameters = kinds[loops[0]]
    below = {"ppNextLevelEx": {"i0": _experiment(loops[1:], lengths[1:])}} if loops[1:] else {}
    return {"eType": kind, "uLoopPars": parameters, **below}


def _lite_variant(values: dict[str, object]) -> bytes:
    """Encode names and values as these files do: type, length of the name, name, value."""
    written = b""
    for name, value in values.items():
        encoded = (name + "\0").encode("utf-16-le")
        length = len(encoded) // 2
        if isinstance(value, dict):
            inner = _lite_variant(value)
            size = 2 + len(encoded) + 12 + len(inner)
            offsets = bytes(8 * len(value))
            written += struct.pack("BB", 11, length) + encoded + struct.pack("<IQ", len(value), size) + inner + offsets
        elif isinstance(value, bool):
            written += struct.pack("BB", 1, length) + encoded + struct.pack("B", value)
        elif isinstance(value, int):
            written += struct.pack("BB", 3, length) + encoded + struct.pack("<I", value)
        elif isinstance(value, float):
            written += struct.pack("BB", 6, length) + encoded + struct.pack("<d", value)
        else:
            written += struct.pack("BB", 8, length) + encoded + f"{value}\0".encode("utf-16-le")
    return written


def write_oif(
    path: Path, planes: np.ndarray, axes: str, pixel_size: float, dyes: Sequence[str], interval: float
) -> None:
    """Write planes of axes among T, Z and C, then Y and X; sizes in µm, the interval of time points in ms.

    With the suffix .oib all is packed into one file. A channel that was off comes first, as in many files.
    """
    lengths = dict(zip(axes, planes.shape, strict=True))
    steps = {
        "X": (pixel_size, "um"),
        "Y": (pixel_size, "um"),
        "Z": (2000 * pixel_size, "nm"),
        "T": (interval, "ms"),
    }
    sections: dict[str, dict[str, object]] = {
        "ProfileSaveInfo": {"Name": "'FV10'", "Version": "2.1"},
        "Axis Parameter Common": {"AxisOrder": f'"XY{"".join(letter for letter in "CZT" if letter in lengths)}"'},
        "Reference Image Parameter": {"WidthConvertValue": pixel_size, "WidthUnit": '"um"',
                                      "HeightConvertValue": pixel_size, "HeightUnit": '"um"'},
        "GUI Channel 1 Parameters": {"CH Activate": 0, "DyeName": '"off"', "CH Name": '"CHS1"'},
    }  # fmt: skip
    for number, dye in enumerate(dyes):
        sections[f"GUI Channel {number + 2} Parameters"] = {"CH Activate": 1, "DyeName": f'"{dye}"'}
    for number, letter in enumerate("XYCZT"):
        step, unit = steps.get(letter, (1, ""))
        end = step * (lengths.get(letter, 1) - (letter not in "XY"))
        about = {"AxisCode": f'"{letter}"', "MaxSize": lengths.get(letter, 0), "StartPosition": 0, "EndPosition": end}
        sections[f"Axis {number} Parameters Common"] = about | {"UnitName": f'"{unit}"'}
    files = {}
    for index in np.ndindex(planes.shape[:-2]):
        place = dict(zip(axes, index, strict=False))
        name = "s_" + "".join(f"{letter}{place[letter] + 1:03}" for letter in "CZT" if letter in place) + ".tif"
        buffer = io.BytesIO()
        tifffile.imwrite(buffer, planes[index], metadata=None)
        files[name] = buffer.getvalue()
    if path.suffix == ".oif":
        path.write_bytes(_settings(sections))
        folder = path.with_name(f"{path.name}.files")
        folder.mkdir()
        for name, content in files.items():
            (folder / name).write_bytes(content)
        return
    streams = {"Stream00000": _settings(sections)}
    streams |= {f"Stream{number:05}": content for number, content in enumerate(files.values(), 1)}
    places = {"MainFileName": "Stream00000", "Stream00000": "a.oif", "Storage00001": "a.oif.files"}
    places |= {f"Stream{number:05}": f"Storage00001/{name}" for number, name in enumerate(files, 1)}
    about = {"OibSaveInfo": {"Name": "'a'", "Version": "2", "Compression": "0", **places}}
    path.write_bytes(_compound({"OibInfo.txt": _settings(about), **streams}))


def _settings(sections: Mapping[str, Mapping[str, object]]) -> bytes:
    lines = [line for name, one in sections.items() for line in (f"[{name}]", *(f"{k}={v}" for k, v in one.items()))]
    return "\r\n".join(["", *lines, ""])[2:].encode("utf-16")


def _compound(streams: Mapping[str, bytes]) -> bytes:
    """Pack streams into a compound document of version 3, none of them in the mini stream."""
    size, end = 512, 0xFFFFFFFE
    content, chain, entries = b"", [], []
    for name, stream in streams.items():
        count = -(-len(stream) // size)
        entries.append((name, len(chain), len(stream)))
        chain += [*range(len(chain) + 1, len(chain) + count), end]
        content += stream.ljust(count * size, b"\0")

    def entry(name: str, kind: int, right: int, child: int, start: int, length: int) -> bytes:
        encoded = f"{name}\0".encode("utf-16-le")
        free = 0xFFFFFFFF
        numbers = (len(encoded), kind, 1, free, right, child, bytes(16), 0, 0, 0, start, length)
        return struct.pack("<64sHBBIII16sIQQIQ", encoded, *numbers)

    folders = entry("Root Entry", 5, 0xFFFFFFFF, 1, end, 0)
    for number, (name, start, length) in enumerate(entries, 1):
        folders += entry(name, 2, number + 1 if number < len(entries) else 0xFFFFFFFF, 0xFFFFFFFF, start, length)
    folders = folders.ljust(-(-len(folders) // size) * size, b"\0")
    first, count = len(chain), len(folders) // size
    chain += [*range(first + 1, first + count), end]
    tables = -(-(len(chain) + len(chain) // 100 + 2) // 128)
    place = len(chain)
    chain += [0xFFFFFFFD] * tables
    table = struct.pack(f"<{len(chain)}I", *chain).ljust(tables * size, b"\xff")
    about = (bytes(16), 0x3E, 3, 0xFFFE, 9, 6, 0, 0, 0, tables, first, 0, 0, end, 0, end, 0)
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + struct.pack("<16sHHHHHHIIIIIIIIII", *about)
    header += struct.pack("<109I", *range(place, place + tables), *[0xFFFFFFFF] * (109 - tables))
    return header + content + folders + table


def write_dv(
    path: Path,
    pixels: np.ndarray,
    sequence: int,
    sizes: tuple[float, float, float],
    wavelengths: Sequence[int] = (),
    times: Sequence[float] = (),
    order: str = "<",
) -> None:
    """Write pixels of axes (T, C, Z, Y, X) in one of the three sequences of DeltaVision; ``sizes`` in µm along X, Y, Z.

    ``times`` in seconds are of time points.
    """
    axes = {0: (1, 0, 2), 1: (0, 2, 1), 2: (0, 1, 2)}[sequence]
    stored = pixels.transpose(*axes, 3, 4)
    count = int(np.prod(stored.shape[:3]))
    mode = {"uint8": 0, "int16": 1, "float32": 2, "uint16": 6}[pixels.dtype.name]
    start = np.zeros(1024, np.uint8)

    def put(place: int, kind: str, *values: float) -> None:
        struct.pack_into(order + kind, start.data, place, *values)

    put(0, "4i", pixels.shape[4], pixels.shape[3], count, mode)
    put(40, "3f", *sizes)
    described = np.zeros((count, 10), f"{order}f4") if len(times) else np.zeros((0, 10), f"{order}f4")
    if len(times):
        of_planes = np.broadcast_to(np.reshape(times, (-1, 1, 1)), pixels.shape[:3]) + 0.0
        described[:, 2 + 1] = of_planes.transpose(axes).ravel()
    put(92, "i", described.nbytes)
    put(96, "h", -16224)
    put(128, "2h", 2, 8)
    put(180, "2h", pixels.shape[0], sequence)
    put(196, "h", pixels.shape[1])
    put(198, f"{len(wavelengths)}h", *wavelengths)
    path.write_bytes(start.tobytes() + described.tobytes() + stored.astype(stored.dtype.newbyteorder(order)).tobytes())
