"""Names that microscopes and programs give to files which hold one channel, plane or time point each."""

from __future__ import annotations

import re

from napari_unet_nuclei.core.image.layouts.pattern import FOLDER, NamePattern

STAINS = (
    r"(?:DAPI|Hoechst(?:[ _-]?33\d{3})?|DRAQ5|e?[GYCR]FP|FITC|TRITC|Texas ?Red|Rhodamine|Cy[357](?:\.5)?|mCherry|"
    r"tdTomato|(?:Alexa|AF) ?\d{3}|Phalloidin|Actin|Tubulin|Ki-?67|Brightfield|BF|Phase)"
)
"""Names by which files of one channel are told apart in folders that people have named."""

_GUID = r"[0-9A-F]{8}-(?:[0-9A-F]{4}-){3}[0-9A-F]{12}"
_TIFF = r"\.(?:ome\.)?tiff?"
_ANY = r"\.(?:ome\.)?(?:tiff?|png|jpe?g|bmp)"
_WELL = r"(?P<well>(?:[A-P]|A[A-F])\d{1,2})"


def _pattern(title: str, expression: str, *, certain: bool = True, nuclear: bool = False) -> NamePattern:
    return NamePattern(title, rf"\A{FOLDER}{expression}\Z", certain=certain, nuclear=nuclear)


PRESETS = {
    "metaxpress": _pattern(
        "MetaXpress or ImageXpress",
        r"(?:TimePoint_(?P<time>\d+)/)?(?:ZStep_(?P<plane>\d+)/)?(?:(?P<plate>[^/]+?)_)?"
        rf"{_WELL}(?:_s(?P<field>\d+))?(?:_w(?P<channel>\d)(?:{_GUID})?|{_GUID}){_TIFF}",
    ),
    "imagexpress": _pattern(
        "ImageXpress, with planes",
        rf"(?:TimePoint_(?P<time>\d+)/)?(?:(?P<plate>[^/]+?)_)?{_WELL}(?:_s(?P<field>\d+))?_w(?P<channel>\d)"
        rf"_z(?P<plane>\d+)(?:{_GUID})?{_TIFF}",
    ),
    "harmony": _pattern(
        "Harmony (Opera Phenix, Operetta)",
        r"r(?P<row>\d{2})c(?P<column>\d{2})f(?P<field>\d+)p(?P<plane>\d+)-ch(?P<channel>\d+)sk(?P<time>\d+)fk\d+fl\d+"
        rf"{_TIFF}",
    ),
    "yokogawa": _pattern(
        "Yokogawa CellVoyager",
        r"(?P<plate>[^/]+?)_(?P<well>[A-P]\d{2})_T(?P<time>\d{4})F(?P<field>\d{3,4})L(?P<timeline>\d{2})A\d{2}"
        rf"Z(?P<plane>\d{{2,3}})C(?P<channel>\d{{2}}){_ANY}",
    ),
    "cq1": _pattern(
        "Yokogawa CQ1",
        rf"W(?P<spot>\d{{4}})F(?P<field>\d{{4}})T(?P<time>\d{{4}})Z(?P<plane>\d{{3}})C(?P<channel>\d){_ANY}",
    ),
    "incell": _pattern(
        "IN Cell Analyzer",
        r"(?P<row>[A-P]) - (?P<column>\d{1,2})\(fld (?P<field>\d+) wv (?P<channel>[^()]+?)(?: z (?P<plane>\d+))?"
        rf"(?: time (?P<time>\d+)[^()]*)?\){_TIFF}",
    ),
    "scanr": _pattern(
        "scanR",
        rf"(?:{_WELL})?[^/]*?--W(?P<spot>\d{{5}})--P(?P<field>\d{{5}})--Z(?P<plane>\d{{5}})--T(?P<time>\d{{5}})"
        rf"--(?P<channel>[^/]+?){_TIFF}",
    ),
    "cytation": _pattern(
        "Gen5 (Cytation)",
        rf"{_WELL}_(?P<read>-?\d+)_(?P<set>\d+)_(?P<field>\d+)(?:Z(?P<plane>\d+))?_(?P<channel>[^/]+?)_(?P<time>\d{{3}})"
        rf"(?:_\d+)?{_ANY}",
    ),
    "incucyte": _pattern(
        "Incucyte",
        rf"(?P<channel>[^/]+?)_{_WELL}_(?P<field>\d+)_(?P<time>\d+d\d+h\d+m|\d{{4}}y\d+m\d+d_\d+h\d+m){_ANY}",
    ),
    "metamorph": _pattern(
        "MetaMorph",
        r"(?P<name>[^/]+?)_(?P<channel>w\d[^/]*?)(?:_s(?P<field>\d+))?(?:_t(?P<time>\d+))?\.(?:tiff?|stk)",
        certain=False,
    ),
    "leica": _pattern(
        "LAS X exports",
        rf"(?P<name>[^/]+?)(?:_t(?P<time>\d+))?(?:_z(?P<plane>\d+))?_ch(?P<channel>\d+){_TIFF}",
        certain=False,
    ),
    "imagej": _pattern("ImageJ's split channels", rf"C(?P<channel>\d+)-(?P<name>[^/]+?){_TIFF}", certain=False),
    "stains": _pattern(
        "names with the stain",
        rf"(?P<before>(?:[^/]*?[-_. ])?)(?P<channel>{STAINS})(?P<after>(?:[-_. ][^/]*?)?){_ANY}",
        certain=False,
        nuclear=True,
    ),
    "folders": _pattern(
        "a folder for each stain", rf"(?P<channel>{STAINS})/(?P<name>[^/]+?){_ANY}", certain=False, nuclear=True
    ),
}
"""The patterns that are known by heart, by the names that ``--channels`` takes; those with the surest names first."""

_THUMBNAIL = re.compile(rf"_thumb(?=_w\d|{_GUID}|\.)", re.IGNORECASE)


def without_thumbnail_mark(name: str) -> str:
    """Name of the file that a thumbnail was made of; of any other file its own name.

    Examples
    --------
    >>> without_thumbnail_mark("a_B02_s1_thumb_w1.tif"), without_thumbnail_mark("a_B02_s1_w1_thumb.tif")
    ('a_B02_s1_w1.tif', 'a_B02_s1_w1.tif')
    """
    return _THUMBNAIL.sub("", name)
