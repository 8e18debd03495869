"""Make examples/data/lettering.ttf, the font of the programs' pictures: the Latin letters of DejaVu Sans.

    python weights_tools/make_font.py /usr/share/fonts/truetype/dejavu/DejaVuSans.ttf

Made with fontTools 4.38.0 from DejaVu 2.37 (Debian's fonts-dejavu-core).
"""
import sys
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTLibError

OUTPUT = Path(__file__).resolve().parent.parent / "examples" / "data" / "lettering.ttf"

options = subset.Options(hinting=False, layout_features=[], name_IDs=[0, 1, 2, 13], notdef_outline=True, recalc_timestamp=False)
if len(sys.argv) != 2:
    sys.exit("usage: make_font.py DejaVuSans.ttf")
try:
    font = subset.load_font(sys.argv[1], options)
except (OSError, TTLibError) as error:
    sys.exit(f"make_font.py: error: can't read {sys.argv[1]} as a font: {getattr(error, 'strerror', None) or error}")
subsetter = subset.Subsetter(options)
subsetter.populate(unicodes=[*range(0x20, 0x7F), *range(0xA0, 0x180)])
subsetter.subset(font)
for table in ("FFTM", "GDEF", "GPOS", "GSUB", "kern"):
    if table in font:
        del font[table]
subset.save_font(font, OUTPUT, options)
