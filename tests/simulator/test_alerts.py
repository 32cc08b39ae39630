"""The simulated alerts are records of schema 0.4, and make light curves over the nights."""

from __future__ import annotations

import gzip
import io
import json
import re
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fastavro
import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from winter_sync.core.traits import ImageType, Instrument
from winter_sync.simulator import DEMO_NIGHT, Observatory, Universe, demo_universe
from winter_sync.simulator.http.requests import separation
from winter_sync.simulator.observatory.targets import magnitude_of

if TYPE_CHECKING:
    from winter_sync.simulator.observatory.holdings import Holding

FIELDS = Path(__file__).parent.parent / "support" / "alert-fields.json"
CUTOUTS = ("cutout_science", "cutout_template", "cutout_difference")


@pytest.fixture(scope="module")
def nights() -> Observatory:
    """Return a week of nights in which targets are observed again."""
    return Observatory(Universe(nights=tuple(DEMO_NIGHT.plus(day) for day in range(7))))


def files(observatory: Observatory) -> list[Holding]:
    """Return the Avro products of both cameras."""
    return [entry.holding for entry in observatory.entries(image_type=ImageType.AVRO)]


def alerts_of(observatory: Observatory, holding: Holding) -> list[Any]:
    """Return the alerts of a file."""
    return list(fastavro.reader(io.BytesIO(observatory.content(*holding.product.identity))))


def cutout(alert: dict[str, Any], name: str) -> Any:  # noqa: ANN401 - an array
    """Return the pixels of a cutout."""
    with fits.open(io.BytesIO(gzip.decompress(alert[name]))) as hdus:
        hdus.verify("exception")
        return hdus[0].data.copy()


def names_and_types(record: dict[str, Any]) -> list[list[Any]]:
    """Return the fields of a record as the list of the pipeline's fields has them."""
    return [[field["name"], field["type"]] for field in record["fields"]]


def test_a_file_is_an_uncompressed_container_of_schema_0_4(observatory: Observatory) -> None:
    """The schema in the file has the fields, types and order of the pipeline's own."""
    known = json.loads(FIELDS.read_text())
    for holding in files(observatory):
        content = observatory.content(*holding.product.identity)
        reader: Any = fastavro.reader(io.BytesIO(content))
        assert reader.codec == "null"
        schema: Any = json.loads(reader.metadata["avro.schema"])
        assert schema["name"] == "winter.alert"
        types = {field["name"]: field["type"] for field in schema["fields"]}
        assert list(types) == [name for name, _ in known["winter.alert"]]
        assert names_and_types(types["candidate"]) == known["winter.alert.candidate"]
        earlier = types["prv_candidates"][0]["items"]
        assert names_and_types(earlier) == known["winter.alert.prv_candidate"]
        alerts = list(reader)
        assert 1 <= len(alerts) <= 20
        assert {alert["schemavsn"] for alert in alerts} == {"0.4"}


def test_candidates_are_where_they_are_in_the_image(observatory: Observatory) -> None:
    """A candidate's place and pixel agree with the difference image's coordinates."""
    diffs = {
        (entry.holding.visit.key, entry.holding.board): entry.product
        for entry in observatory.entries(image_type=ImageType.DIFF)
    }
    for holding in files(observatory):
        diff = diffs[holding.visit.key, holding.board]
        with fits.open(io.BytesIO(observatory.content(*diff.identity))) as hdus:
            header = hdus[0].header
        wcs, limit = WCS(header), header["MAGLIM"]
        for alert in alerts_of(observatory, holding):
            candidate = alert["candidate"]
            x, y = wcs.world_to_pixel_values(candidate["ra"], candidate["dec"])
            assert candidate["xpos"] == pytest.approx(float(x) + 1, abs=1e-3)
            assert candidate["ypos"] == pytest.approx(float(y) + 1, abs=1e-3)
            assert 0 < candidate["xpos"] < header["NAXIS1"] + 1
            assert 0 < candidate["ypos"] < header["NAXIS2"] + 1
            assert candidate["diffmaglim"] == pytest.approx(limit, abs=1e-4)
            assert candidate["exptime"] == header["EXPTIME"]


def test_the_target_is_among_the_candidates(observatory: Observatory) -> None:
    """Where a target is on a stack, an alert has it: real, and as bright as it was then."""
    seed, seen = observatory.universe.seed, 0
    for holding in files(observatory):
        visit, source = holding.visit, holding.visit.source
        if source is None or visit.target is None or holding.board not in (0, 2):
            continue
        near = [
            alert["candidate"]
            for alert in alerts_of(observatory, holding)
            if separation((alert["candidate"]["ra"], alert["candidate"]["dec"]), source) < 1 / 3600
        ]
        assert len(near) == 1
        true = magnitude_of(seed, visit.target, holding.dither.start)
        assert near[0]["magpsf"] == pytest.approx(true, abs=5 * near[0]["sigmapsf"])
        assert near[0]["rb"] > 0.85
        assert near[0]["fid"] == visit.fid
        seen += 1
    assert seen >= 4


def test_an_object_returns_under_its_name(nights: Observatory) -> None:
    """Over the nights an objectid stands for one place, and its light curve varies."""
    curves = defaultdict(list)
    for holding in files(nights):
        for alert in alerts_of(nights, holding):
            assert re.fullmatch(r"WNTR\d\d[a-z]{5}", alert["objectid"])
            curves[alert["objectid"]].append(alert["candidate"])
    several = [curve for curve in curves.values() if len({point["jd"] for point in curve}) >= 3]
    assert len(several) >= 5
    for curve in several:
        first = curve[0]["ra"], curve[0]["dec"]
        assert all(separation(first, (each["ra"], each["dec"])) < 2 / 3600 for each in curve)
    spreads = [np.ptp([point["magpsf"] for point in curve]) for curve in several]
    assert max(spreads) > 0.1


def test_candids_are_unique() -> None:
    """No two detections have one number, though a star can be at the edges of two boards."""
    nights = tuple(DEMO_NIGHT.plus(day) for day in range(3))
    observatory = Observatory(Universe(nights=nights), scale=0.1)
    detections = [
        (holding.dither.start, alert["objectid"], alert["candid"])
        for holding in files(observatory)
        for alert in alerts_of(observatory, holding)
    ]
    assert len({detection[:2] for detection in detections}) < len(detections)
    assert len({candid for *_, candid in detections}) == len(detections)


def test_alerts_tell_what_was_seen_before(nights: Observatory) -> None:
    """Earlier detections are earlier, of the same place, and counted; there may be none."""
    counts = set()
    for holding in files(nights):
        for alert in alerts_of(nights, holding):
            candidate, earlier = alert["candidate"], alert["prv_candidates"] or []
            assert candidate["candid"] == alert["candid"]
            assert candidate["ndethist"] == len(earlier)
            counts.add(len(earlier))
            assert all(each["jd"] < candidate["jd"] for each in earlier)
            first = min([candidate["jd"], *(each["jd"] for each in earlier)])
            assert (candidate["jdstarthist"], candidate["jdendhist"]) == (first, candidate["jd"])
            place = candidate["ra"], candidate["dec"]
            for each in earlier:
                assert separation(place, (each["ra"], each["dec"])) < 2 / 3600
    assert {0, 1} < counts


@pytest.mark.parametrize("scale", [1 / 64, 1.0])
def test_cutouts_show_the_source(scale: float) -> None:
    """The source is in the middle of science and difference, and not in the template."""
    observatory = Observatory(demo_universe(), scale=scale)
    holding = next(each for each in files(observatory) if each.board == 2 and each.visit.target)
    alerts = alerts_of(observatory, holding)
    for alert in alerts:
        for name in CUTOUTS:
            # No moment in the gzip header: the content must not depend on it.
            assert alert[name][4:8] == bytes(4)
            assert np.isfinite(cutout(alert, name)).all()
    science, template, difference = (cutout(alerts[0], name) for name in CUTOUTS)
    edge = science.shape[0]
    assert science.shape == template.shape == difference.shape == (edge, edge)
    assert edge == (81 if scale == 1.0 else 9)
    middle = edge // 2
    for image in (science, difference):
        assert np.unravel_index(np.argmax(image), image.shape) == (middle, middle)
    assert template[middle, middle] < difference[middle, middle] / 2


def test_more_is_found_in_larger_images() -> None:
    """At full scale a file has 14 to 20 alerts, as a real one has."""
    observatory = Observatory(demo_universe(), scale=1.0)
    for instrument in Instrument:
        (entry, *_) = observatory.entries(instrument=instrument, image_type=ImageType.AVRO)
        assert 14 <= len(alerts_of(observatory, entry.holding)) <= 20
