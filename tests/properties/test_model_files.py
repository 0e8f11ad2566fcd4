from __future__ import annotations

import tempfile
from pathlib import Path

import torch
from hypothesis import given
from hypothesis import strategies as st

from napari_unet_nuclei.core.model.architecture import INSTANCE_HEADS, Architecture
from napari_unet_nuclei.core.model.card import ModelCard, Thresholds, read_card
from napari_unet_nuclei.core.model.file import Model, read_model, save_model
from tests.helpers.effort import some_examples
from tests.helpers.tiny import tiny_network

ARCHITECTURES = st.builds(
    Architecture,
    in_channels=st.integers(1, 3),
    base_width=st.integers(1, 6),
    max_width=st.integers(1, 12),
    depth=st.integers(1, 4),
    normalisation=st.sampled_from(["batch", "none"]),
    upsampling=st.sampled_from(["nearest", "transposed"]),
    stem=st.sampled_from(["full", "space-to-depth"]),
    heads=st.sampled_from([INSTANCE_HEADS, INSTANCE_HEADS[:3], INSTANCE_HEADS[::-1]]),
)
CARDS = st.builds(
    ModelCard,
    name=st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9 ._-]{0,20}\Z"),
    # Control characters, which would act on a terminal, do not come back.
    description=st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=40),
    architecture=ARCHITECTURES,
    diameter=st.floats(1, 1000),
    thresholds=st.builds(Thresholds, foreground=st.floats(0.01, 0.99), min_size=st.floats(0, 1e6)),
    metrics=st.dictionaries(st.text("abc", max_size=5), st.floats(allow_nan=False), max_size=3),
)


@some_examples(0.6)
@given(CARDS, st.integers(0, 1000))
def test_any_model_comes_back_from_its_file(card, seed):
    network = tiny_network(card.architecture, seed)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        saved = save_model(path, Model(card, network))
        again = read_model(path)
        assert read_card(path) == again.card == saved
    assert saved.model_copy(update={"weights_hash": ""}) == card
    image = torch.rand(1, card.architecture.in_channels, card.architecture.stride, card.architecture.stride)
    with torch.inference_mode():
        assert torch.allclose(again.network(image), network(image), rtol=0.02, atol=0.05)
