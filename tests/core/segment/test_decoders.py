from __future__ import annotations

import numpy as np

from napari_unet_nuclei.core.labels.decode import DecodeThresholds, decode_maps
from napari_unet_nuclei.core.samples.drawing import draw_nuclei
from napari_unet_nuclei.core.segment.decoders import PartDecoder
from tests.helpers.drawn import maps_of


def test_a_part_of_a_plane_is_decoded_as_in_the_whole():
    _, drawn = draw_nuclei((160, 200), 16, 70, np.random.default_rng(1), clumped=0.5)
    maps = maps_of(drawn)
    part = PartDecoder(maps, (40, 120, 0, 90), 32, 1.0)
    for foreground in (0.5, 0.7):
        thresholds = DecodeThresholds(foreground, 0.4, 10)
        whole = decode_maps(maps, thresholds)[40:120, 0:90]
        labels = part.decode(thresholds)
        pairs = np.unique(np.stack([whole.ravel(), labels.ravel()]), axis=1)
        assert len(pairs[0]) == len(np.unique(whole)) == labels.max() + 1
