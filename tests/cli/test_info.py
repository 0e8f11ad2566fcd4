import json
import os
from importlib.metadata import version

from tests.helpers.program import run


def test_it_tells_versions_devices_and_folders(tmp_path):
    facts = json.loads(run("info", "--json").stdout)
    assert facts["versions"]["torch"] == version("torch")
    assert "cpu" in facts["devices"]
    assert facts["folders"]["your models"] == str(tmp_path / "user-models")
    assert facts["devices"]["cpu"].endswith(("float32", "bfloat16"))
    assert facts["folders"]["cache"] == os.environ["NAPARI_UNET_NUCLEI_CACHE"]
    assert facts["folders"]["your corrections"] == str(tmp_path / "user-corrections")


def test_as_text_it_tells_the_same():
    facts = json.loads(run("info", "--json").stdout)
    text = run("info").stdout
    assert all(f"  {name}: {value}" in text for values in facts.values() for name, value in values.items())
