"""The script that finds pixels and positions in a picture, run by Node; astropy is the judge."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
from importlib.resources import files
from typing import Any

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS

from winter_sync.core.sphere import separation
from winter_sync.science.pictures import draw_picture

NODE = shutil.which("node") or shutil.which("nodejs")
SCALE = 1.13 / 3600
SHAPE = (173, 121)
SCRIPT = """
const places = require(process.argv[1]);
const asked = JSON.parse(require("fs").readFileSync(0, "utf8"));
const found = asked.points.map(([u, v]) => {
  const at = places.pixelAt(asked.made, u, v);
  if (!at) return null;
  const sky = places.position(at.image.sky, at.x, at.y);
  return { hdu: at.image.hdu, x: at.x, y: at.y, sky, written: places.written(...sky) };
});
const directions = asked.made.panels.map((image) => places.directions(image.sky));
console.log(JSON.stringify({ found, directions, written: places.written(359.9999999, -0.00001) }));
"""


def board(centre: tuple[float, float], turn: float) -> fits.ImageHDU:
    """Make one board: noise, with a WCS."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval, wcs.wcs.crpix = centre, (70.3, -40.7)
    angle = np.radians(turn)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    wcs.wcs.cd = rotation @ np.diag([-SCALE, SCALE])
    data = np.random.default_rng(1).normal(0, 1, SHAPE[::-1]).astype("f4")
    return fits.ImageHDU(data, wcs.to_header())


BOARDS = [
    board((0.01, 5.0), 0),
    board((10.0, 89.97), 40),
    board((359.99, -60), 200),
    board((150, 2), 90),
]


def by_node(made: dict[str, object], points: list[tuple[float, float]]) -> dict[str, Any]:
    """Return what the script makes of points of a picture."""
    script = files("winter_sync.pages").joinpath("static", "places.js")
    ran = subprocess.run(  # noqa: S603 - our own script
        [str(NODE), "-e", SCRIPT, str(script)],
        input=json.dumps({"made": made, "points": points}),
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


@pytest.mark.skipif(NODE is None, reason="there is no Node to run the script")
@pytest.mark.parametrize("longest", [700, 90])
def test_the_script_agrees_with_astropy(longest: int) -> None:
    """Of every point of a picture of boards: the board, the pixel, and the position."""
    file = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), *BOARDS]).writeto(file)
    picture = draw_picture(io.BytesIO(file.getvalue()), longest, with_sky=True)
    points, truth = [], []
    for panel in picture.panels:
        rows = -(-SHAPE[1] // panel.factor)
        for x, y in ((0.0, 0.0), (17.25, 100.0), (SHAPE[0] - 1.0, SHAPE[1] - 1.0)):
            u = panel.corner[0] + (x + 0.5) / panel.factor
            v = panel.corner[1] + rows - (y + 0.5) / panel.factor
            points.append((u, v))
            truth.append((panel.extension, x, y))
    said = by_node(picture.as_json, [*points, (-5.0, 3.0)])
    assert said["found"].pop() is None
    for found, (extension, x, y) in zip(said["found"], truth, strict=True):
        assert (found["hdu"], found["x"], found["y"]) == (
            extension,
            pytest.approx(x, abs=1e-6),
            pytest.approx(y, abs=1e-6),
        )
        ra, dec = WCS(BOARDS[extension - 1].header).all_pix2world(x, y, 0)
        assert separation(tuple(found["sky"]), (float(ra), float(dec))) < SCALE / 50
        text = SkyCoord(*found["sky"], unit="deg").to_string("hmsdms", sep=":", precision=2)
        assert found["written"][:10] == text[:10]
    assert said["written"] == "00:00:00.00 -00:00:00.0"
    for found, hdu in zip(said["directions"], BOARDS, strict=True):
        wcs, (x, y) = WCS(hdu.header), [(length - 1) / 2 for length in SHAPE]
        middle = SkyCoord(*wcs.all_pix2world(x, y, 0), unit="deg")
        for name, angle in (("north", 0.0), ("east", 90.0)):
            there = middle.directional_offset_by(angle * units.deg, SCALE * units.deg)
            step = np.array(wcs.all_world2pix(there.ra.deg, there.dec.deg, 0)) - (x, y)
            assert found[name] == pytest.approx(step / np.hypot(*step), abs=0.01)
        assert found["scale"] == pytest.approx(1.13, rel=1e-3)
