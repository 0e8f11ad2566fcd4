"""The index beside Harmony's images."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from napari_unet_nuclei.core.image.layouts.grouping import group_files
from napari_unet_nuclei.core.image.layouts.harmony_index import HarmonyIndex, read_harmony_index
from napari_unet_nuclei.core.image.layouts.split_image import split_header

OLD = """<?xml version="1.0"?><EvaluationInputData xmlns="http://www.perkinelmer.com/PEHH/HarmonyV4"><Images>
<Image Version="1"><id>0101K1F1P1R1</id><URL>r01c01f01p01-ch1sk1fk1fl1.tiff</URL><ChannelID>1</ChannelID>
<ChannelName>HOECHST 33342</ChannelName><ImageResolutionX Unit="m">5.98E-07</ImageResolutionX>
<ImageResolutionY Unit="m">5.98E-07</ImageResolutionY></Image>
<Image Version="1"><id>0101K1F1P1R2</id><ChannelID>2</ChannelID><ChannelName>Alexa 488</ChannelName></Image>
</Images></EvaluationInputData>"""

NEW = """<?xml version="1.0"?><EvaluationInputData xmlns="43B2A954-E3C3-47E1-B392-6635266B0DD3/HarmonyV6"><Maps><Map>
<Entry ChannelID="1"><ChannelName>HOECHST 33342</ChannelName><ImageResolutionX Unit="m">5.98E-07</ImageResolutionX>
<ImageResolutionY Unit="m">5.98E-07</ImageResolutionY></Entry>
<Entry ChannelID="2"><ChannelName>Alexa 488</ChannelName></Entry></Map></Maps></EvaluationInputData>"""


@pytest.mark.parametrize(("name", "text"), [("Index.idx.xml", OLD), ("Index.xml", NEW)])
def test_channels_and_pixel_size_are_those_of_the_index(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    files = [tmp_path / f"r01c01f01p01-ch{channel}sk1fk1fl1.tiff" for channel in (1, 2)]
    for file in files:
        tifffile.imwrite(file, np.ones((8, 6), np.uint16))
    (image,) = group_files(dict.fromkeys(files, tmp_path)).images
    header = split_header(image)
    assert header.channel_names == ("ch1 HOECHST 33342", "ch2 Alexa 488")
    assert header.pixel_size.x == pytest.approx(0.598)


def test_an_index_that_is_not_there_or_damaged_says_nothing(tmp_path):
    assert read_harmony_index(tmp_path) == HarmonyIndex()
    (tmp_path / "Index.xml").write_text("<a><b>")
    assert read_harmony_index(tmp_path) == HarmonyIndex()
