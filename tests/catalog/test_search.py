"""Questions to a catalog that was used for a while: conditions, areas of the sky, order, states."""

from __future__ import annotations

import tempfile
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from catalog.test_cost import steps
from core.test_sphere import tangential
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from support.answers import at, enter, publish, square, used, withdraw
from support.catalogs import OTHER, count_wanted, waiting
from support.clock import Clock
from support.makers import NIGHT, PROGRAM, product, row

from winter_sync.catalog import Catalog, FoundProduct, Scope, Search, UserState
from winter_sync.core import filter_name
from winter_sync.core.facts import Facts
from winter_sync.core.products import Product
from winter_sync.core.queries import Cone, Rectangle
from winter_sync.core.sphere import Footprint
from winter_sync.core.traits import ImageType, Instrument

if TYPE_CHECKING:
    from collections.abc import Iterator


def ask(catalog: Catalog, **conditions: Any) -> list[FoundProduct]:  # noqa: ANN401 - any condition
    """Return what answers a question."""
    return list(catalog.searches.search(Search(**conditions)))


def products(found: list[FoundProduct]) -> list[Product]:
    """Return which products were found."""
    return [each.product for each in found]


# --- states --------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", UserState)
def test_each_product_has_the_state_that_its_user_knows(catalog: Catalog, state: UserState) -> None:
    """It is found by that state and shown with it, and in no other."""
    one = used(catalog)[state]
    (found,) = ask(catalog, states=(state,))
    assert (found.product, found.state) == (one, state)
    assert found.has_file == (state in {UserState.DOWNLOADED, UserState.WITHDRAWN})


def test_a_reprocessed_product_is_pending_and_its_file_still_here(catalog: Catalog) -> None:
    """Until the new content arrives the old one can be used."""
    one = used(catalog)["downloaded"]
    catalog.connection.db.execute(
        "UPDATE products SET state = 'wanted' WHERE filename = ?", [one.filename]
    )
    (found,) = (each for each in ask(catalog) if each.product == one)
    assert (found.state, found.has_file) == (UserState.PENDING, True)


def test_facts_of_a_replaced_content_are_not_shown(catalog: Catalog) -> None:
    """The seeing of the old file is not that of the new one."""
    one = product()
    enter(catalog, [at(one, 150.0, 17.0)])
    publish(catalog, one, Facts(seeing=1.5, filter="Y"))
    assert ask(catalog)[0].seeing == 1.5
    catalog.connection.db.execute("UPDATE products SET digest = randomblob(32)")
    assert (ask(catalog)[0].seeing, ask(catalog)[0].filter) == (None, "J")


# --- conditions ----------------------------------------------------------------------------------


def varied(catalog: Catalog) -> None:
    """Enter products that differ in everything that can be asked for."""
    for night in (NIGHT, NIGHT.plus(1), NIGHT.plus(40)):
        for number, kind in enumerate((ImageType.STACK, ImageType.RAW, ImageType.AVRO)):
            ours, theirs, spring = (
                product(number, kind, night=night),
                product(number + 10, kind, night=night),
                product(number, kind, night=night, instrument=Instrument.SPRING),
            )
            enter(catalog, [at(ours, 10.0, 5.0, "SN2024wex", 1), at(spring, 10.0, 5.0, None, 5)])
            enter(catalog, [at(theirs, 200.0, -5.0, "AT2024_b", 7)], OTHER)
            publish(catalog, ours, Facts(filter="Hs", target="headers have another"))
            publish(catalog, spring, Facts(target="M31"))


def holds(found: FoundProduct, search: Search) -> bool:
    """Return whether a product answers a question, condition by condition, in plain Python."""
    one = found.product
    return all(
        (
            not search.programs or set(search.programs) & set(found.programs),
            not search.targets or found.target in search.targets,
            not search.image_types or one.image_type in search.image_types,
            not search.instruments or one.instrument in search.instruments,
            not search.nights or one.night in search.nights,
            search.first_night is None or one.night >= search.first_night,
            search.last_night is None or one.night <= search.last_night,
            not search.filters or found.filter in search.filters,
            not search.states or found.state in search.states,
        )
    )


def some(*values: Any) -> st.SearchStrategy[tuple[Any, ...]]:  # noqa: ANN401 - any values
    """Draw none of these values, or a few."""
    return st.one_of(st.just(()), st.lists(st.sampled_from(values), max_size=2).map(tuple))


NIGHTS = st.one_of(st.none(), st.sampled_from([NIGHT, NIGHT.plus(1), NIGHT.plus(2)]))
SEARCHES = st.builds(
    Search,
    programs=some(PROGRAM, OTHER, "2020X999"),
    targets=some("SN2024wex", "AT2024_b", "M31", "none"),
    image_types=some(*ImageType),
    instruments=some(*Instrument),
    nights=some(NIGHT, NIGHT.plus(40), NIGHT.plus(7)),
    first_night=NIGHTS,
    last_night=NIGHTS,
    filters=some("Hs", "u", "7", "J"),
    states=some(*UserState),
    newest_first=st.booleans(),
    limit=st.one_of(st.none(), st.integers(0, 5)),
)


@pytest.fixture(scope="module")
def filled() -> Iterator[Catalog]:
    """Return a catalog that is only read, with varied products."""
    with (
        tempfile.TemporaryDirectory() as directory,
        closing(Catalog(Path(directory) / "catalog.sqlite3", Clock())) as catalog,
    ):
        varied(catalog)
        yield catalog


@given(search=SEARCHES)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_conditions_mean_together_what_each_means_alone(filled: Catalog, search: Search) -> None:
    """Every combination finds what plain Python finds, in order, up to the limit."""
    everything = ask(filled)
    expected = [each for each in everything if holds(each, search)]
    if search.newest_first:
        expected.reverse()
    assert products(ask_all(filled, search)) == products(expected[: search.limit])


def ask_all(catalog: Catalog, search: Search) -> list[FoundProduct]:
    """Return what answers a question, and check that it is counted right."""
    found = list(catalog.searches.search(search))
    assert catalog.searches.count(search) == len(found)
    return found


def test_products_come_in_the_order_of_their_exposures(filled: Catalog) -> None:
    """By night and time, whichever camera and type."""
    found = ask(filled)
    times = [(each.product.night, each.started_at) for each in found]
    assert times == sorted(times)
    assert len(found) == 27


def test_names_of_targets_and_filters_are_found_in_any_case(filled: Catalog) -> None:
    """A star stands for any text; other special letters of SQL stand for themselves."""
    assert len(ask(filled, targets=("sn2024WEX",))) == 9
    assert len(ask(filled, targets=("*2024*",))) == 18
    assert len(ask(filled, targets=("at2024_B",))) == 9
    assert ask(filled, targets=("AT2024%*",)) == ask(filled, targets=("AT_024*",)) == []
    assert len(ask(filled, filters=("HS",))) == len(ask(filled, filters=("h",))) == 9


def test_a_target_is_found_by_the_header_where_none_is_listed(filled: Catalog) -> None:
    """SPRING's products here are listed without one."""
    found = ask(filled, targets=("M31",))
    assert len(found) == 9
    assert {each.target for each in found} == {"M31"}


def test_what_was_downloaded_since_an_instant(catalog: Catalog, clock: Clock) -> None:
    """From that instant on; what is only listed does not count."""
    enter(catalog, (row(product(number)) for number in range(3)))
    publish(catalog, product(0))
    clock.advance(hours=1)
    publish(catalog, product(1))
    assert products(ask(catalog, downloaded_since=clock.time)) == [product(1)]
    assert ask(catalog, downloaded_since=clock.time, nights=(NIGHT.plus(1),)) == []
    clock.advance(hours=1)
    assert ask(catalog, downloaded_since=clock.time) == []


def test_of_several_programs_the_one_that_was_asked_for_is_shown(catalog: Catalog) -> None:
    """Its target and position; but all programs that list the product now."""
    one = product()
    enter(catalog, [at(one, 150.0, 17.0, "ours")])
    enter(catalog, [at(one, 151.0, 18.0, "theirs")], OTHER)
    for program, target in ((PROGRAM, "ours"), (OTHER, "theirs")):
        (found,) = ask(catalog, programs=(program,))
        assert (found.target, found.programs) == (target, (PROGRAM, OTHER))
    withdraw(catalog, one)
    (found,) = ask(catalog)
    assert (found.target, found.programs) == ("theirs", (OTHER,))
    (found,) = ask(catalog, programs=(PROGRAM,))
    assert (found.target, found.state) == ("ours", UserState.PENDING)


@given(st.sampled_from(Instrument), st.one_of(st.none(), st.integers(-100, 100)))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
def test_a_filter_is_named_by_its_number_whatever_number_it_is(
    instrument: Instrument, fid: int | None
) -> None:
    """The list of filters is never closed; -99 and 99 say that it is unknown."""
    with (
        tempfile.TemporaryDirectory() as directory,
        closing(Catalog(Path(directory) / "catalog.sqlite3", Clock())) as catalog,
    ):
        one = product(instrument=instrument)
        enter(catalog, [replace(at(one, 0.0, 0.0), fid=fid)])
        (found,) = ask(catalog)
        known = {1: "Y", 2: "J", 3: "Hs", 4: "dark", -99: None, 99: None, None: None}
        if instrument is Instrument.SPRING:
            known[5] = "u"
        assert found.filter == known.get(fid, str(fid)) == filter_name(instrument, fid)
        if found.filter is not None:
            assert ask(catalog, filters=(found.filter,)) == [found]


def test_the_time_is_that_of_the_header_or_of_the_file_name(catalog: Catalog) -> None:
    """Never the listed one, which is wrong by the Pacific offset."""
    enter(catalog, (row(product(number)) for number in range(2)))
    instant = datetime(2024, 1, 31, 0, 0, 1, 250_000, tzinfo=UTC)
    publish(catalog, product(1), Facts(started_at=instant))
    assert [each.started_at for each in ask(catalog)] == [
        datetime(2024, 1, 31, tzinfo=UTC),
        instant,
    ]


# --- the sky -------------------------------------------------------------------------------------


POLES_AND_ZERO = (
    (0.0, 90.0),
    (120.0, 89.5),
    (0.05, -89.8),
    (359.9, 0.0),
    (0.1, 0.2),
    (180.0, 45.0),
)


def beside(place: SkyCoord, angle: float, offset: float) -> SkyCoord:
    """Return the position at a position angle and offset from another, in degrees."""
    return place.directional_offset_by(angle * u.deg, offset * u.deg)


def sky(catalog: Catalog, seed: int) -> dict[Product, tuple[np.ndarray, np.ndarray]]:
    """Fill a catalog with images near special places, listed up to a degree beside what they show.

    Returns what each shows, as positions all over it.
    """
    random = np.random.default_rng(seed)
    shown = {}
    for number in range(60):
        one = product(number, ImageType.RAW)
        center = SkyCoord(*POLES_AND_ZERO[number % len(POLES_AND_ZERO)], unit="deg")
        place = beside(center, random.uniform(0, 360), random.uniform(0, 3))
        listed = beside(place, random.uniform(0, 360), random.uniform(0, 1))
        enter(catalog, [at(one, float(listed.ra.deg), float(listed.dec.deg))])
        if number % 5:
            wcs = tangential((place.ra.deg, place.dec.deg), 3e-4, random.uniform(0, 360))
            corners = wcs.calc_footprint(axes=(1984, 1096), center=False)
            footprint = Footprint(tuple((float(ra), float(dec)) for ra, dec in corners))
            publish(catalog, one, Facts(footprints=(footprint,)))
            x, y = np.meshgrid(np.linspace(0.5, 1984.5, 30), np.linspace(0.5, 1096.5, 20))
            ra, dec = wcs.all_pix2world(x.ravel(), y.ravel(), 1)
            shown[one] = (np.append(ra, listed.ra.deg), np.append(dec, listed.dec.deg))
        else:
            shown[one] = (np.array([listed.ra.deg]), np.array([listed.dec.deg]))
    return shown


class Shown(dict[Product, tuple[np.ndarray, np.ndarray]]):
    """What products show; thousands of positions, which no message needs."""

    def __repr__(self) -> str:
        """Return how many there are."""
        return f"<{len(self)} products>"


@pytest.fixture(scope="module")
def charted() -> Iterator[tuple[Catalog, dict[Product, tuple[np.ndarray, np.ndarray]]]]:
    """Return a catalog of images at the poles and over right ascension 0, and what they show."""
    with (
        tempfile.TemporaryDirectory() as directory,
        closing(Catalog(Path(directory) / "catalog.sqlite3", Clock())) as catalog,
    ):
        yield catalog, Shown(sky(catalog, 1))


@example(center=(0.05, -89.8), angle=0.0, offset=2.6357229670310707, radius=2.2678634571988683)
@given(
    center=st.sampled_from(POLES_AND_ZERO),
    angle=st.floats(0, 360),
    offset=st.floats(0, 3),
    radius=st.floats(0.01, 4),
)
def test_a_cone_finds_what_astropy_finds(
    charted: tuple[Catalog, dict[Product, tuple[np.ndarray, np.ndarray]]],
    center: tuple[float, float],
    angle: float,
    offset: float,
    radius: float,
) -> None:
    """Whatever is listed inside or shows a part of it: brute force over every position."""
    catalog, shown = charted
    middle = beside(SkyCoord(*center, unit="deg"), angle, offset)
    cone = Cone(float(middle.ra.deg), float(middle.dec.deg), radius)
    found = set(products(ask(catalog, cones=(cone,))))
    for entry, (ra, dec) in shown.items():
        away = SkyCoord(ra, dec, unit="deg").separation(middle).deg.min()
        if away < radius - 1e-6:
            assert entry in found
        if away > radius + 0.02:  # more than between two of the positions
            assert entry not in found


@pytest.mark.parametrize(
    "rectangle",
    [Rectangle(359, 1, -1, 1), Rectangle(0, 360, 89, 90), Rectangle(100, 200, 88, 89.5)],
)
def test_a_rectangle_finds_what_brute_force_finds(
    charted: tuple[Catalog, dict[Product, tuple[np.ndarray, np.ndarray]]], rectangle: Rectangle
) -> None:
    """Across right ascension 0 and around the pole."""
    catalog, shown = charted
    found = set(products(ask(catalog, rectangles=(rectangle,))))
    width = (rectangle.ra_max - rectangle.ra_min) % 360 or 360.0
    for entry, (ra, dec) in shown.items():
        across = (ra - rectangle.ra_min) % 360 <= width
        if (across & (rectangle.dec_min <= dec) & (dec <= rectangle.dec_max)).any():
            assert entry in found
    assert 0 < len(found) < len(shown)


def test_a_board_is_found_where_it_looks_and_not_only_where_the_telescope_points(
    catalog: Catalog,
) -> None:
    """Every board is listed at the pointing of the whole exposure (winter-api.md)."""
    boards = [product(number, ImageType.RAW) for number in range(2)]
    enter(catalog, (at(board, 150.0, 17.0) for board in boards))
    publish(catalog, boards[0], Facts(footprints=(square(150.5, 17.3),)))
    publish(catalog, boards[1], Facts(footprints=(square(149.5, 16.7),)))
    cone = Cone(150.7, 17.5, 0.01)
    assert products(ask(catalog, cones=(cone,))) == [boards[0]]


def test_conditions_hold_inside_an_area_too(filled: Catalog) -> None:
    """An area and a program, a type, a night."""
    cone = Cone(10.1, 5.0, 0.5)
    found = ask(filled, cones=(cone,), image_types=(ImageType.STACK,), nights=(NIGHT,))
    assert products(found) == [
        product(0, instrument=Instrument.SPRING),
        product(0),
    ]
    assert ask(filled, cones=(cone,), programs=(OTHER,)) == []
    assert ask(filled, cones=(cone, Cone(200.0, -5.0, 0.1)), targets=("AT2024_b",)) == ask(
        filled, targets=("AT2024_b",)
    )
    assert ask(filled, cones=(cone,), rectangles=(Rectangle(199, 201, -6, -4),)) == []


def test_a_target_is_where_its_headers_say_or_where_it_is_listed(catalog: Catalog) -> None:
    """The listed pointings of a dither are averaged, right over right ascension 0."""
    enter(catalog, [at(product(0), 359.9, 5.0, "over zero"), at(product(1), 0.1, 5.0, "over zero")])
    assert catalog.searches.target_position("OVER zero") == pytest.approx((0.0, 5.0), abs=1e-3)
    publish(catalog, product(0), Facts(target="over zero", target_ra=0.05, target_dec=5.01))
    assert catalog.searches.target_position("over zero") == pytest.approx((0.05, 5.01))
    assert catalog.searches.target_position("nothing") is None


def test_the_names_that_can_be_asked_for(filled: Catalog) -> None:
    """Programs and listed targets, each once."""
    assert filled.searches.programs() == [PROGRAM, OTHER]
    assert filled.searches.targets() == ["AT2024_b", "SN2024wex"]


# --- cost ----------------------------------------------------------------------------------------


def spread(catalog: Catalog, nights: int) -> None:
    """Enter many nights, each somewhere else."""
    for number in range(nights):
        night = NIGHT.plus(-number)
        ra, dec = number * 7.0 % 360.0, number % 120 - 60.0
        rows = [at(product(n, night=night), ra, dec, f"target{number}") for n in range(50)]
        enter(catalog, rows)
        publish(catalog, rows[0].product, Facts(footprints=(square(ra, dec),)))


@pytest.mark.parametrize(
    "conditions",
    [
        {"nights": (NIGHT,)},
        {"cones": (Cone(0.0, -60.0, 0.5),)},
        {"targets": ("target0",)},
        {"downloaded_since": datetime(9999, 1, 1, tzinfo=UTC)},
        {"first_night": NIGHT, "programs": (PROGRAM,)},
    ],
    ids="-".join,
)
def test_a_small_answer_costs_little_in_a_large_catalog(
    tmp_path: Path, clock: Clock, conditions: dict[str, Any]
) -> None:
    """About as many steps in a catalog eight times as large."""
    costs = []
    for nights in (8, 64):
        with closing(Catalog(tmp_path / f"{nights}.sqlite3", clock)) as catalog:
            spread(catalog, nights)
            costs.append(steps(catalog, lambda one=catalog: ask(one, **conditions)))
    assert costs[1] <= 2 * costs[0] + 1


# --- scopes of named products --------------------------------------------------------------------


def test_a_scope_may_name_its_products(catalog: Catalog) -> None:
    """The queue then holds those alone, of any camera; one that is not wanted stays as it is."""
    ours, others = [product(n) for n in range(3)], product(0, instrument=Instrument.SPRING)
    enter(catalog, (row(each) for each in (*ours, others)))
    publish(catalog, ours[0])
    named = (ours[0].identity, ours[1].identity, others.identity)
    scope = Scope((PROGRAM,), identities=named)
    assert set(waiting(catalog, scope)) == {ours[1], others}
    assert count_wanted(catalog, scope) == 2
    assert [each.product for each in catalog.files.held(scope, ours[0].night)] == [ours[0]]
    assert [each.product for each in catalog.searches.products(named)] == [others, *ours[:2]]
