from __future__ import annotations

import pytest

from napari_unet_nuclei.core.errors import ModelFileError
from napari_unet_nuclei.core.model.packages.yaml_text import read_yaml

BOMB = "a: &a [1,2]\nb: &b [*a,*a]\nc: &c [*b,*b]\n"


def test_plain_values_are_read():
    assert read_yaml(b"type: model\nsize: {min: 3}\nrange: [.inf, -1.5]\n", "a.zip") == {
        "type": "model",
        "size": {"min": 3},
        "range": [float("inf"), -1.5],
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (BOMB.encode(), r"refers to parts of itself \(\*a\)"),
        (b"a: !!python/object/apply:os.system ['true']", "cannot be read"),
        (b"[" * 1000 + b"]" * 1000, "nested too deeply"),
        (b"a: [" + b"1," * 10_001 + b"]", "too long"),
        (b"a: 1\na: 2", "cannot be read"),
        (b"\xff\xfe", "cannot be read"),
        (b"- a list", "describes nothing"),
        (b"", "describes nothing"),
        (b"a: 'open", "cannot be read"),
    ],
)
def test_anything_else_is_refused(text, said):
    with pytest.raises(ModelFileError, match=said):
        read_yaml(text, "a.zip")
