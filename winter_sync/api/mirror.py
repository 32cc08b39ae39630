"""A mirror on this machine, opened for asking: nothing is written, whoever writes meanwhile."""

from __future__ import annotations

import os
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from winter_sync.api.alert_questions import AlertQuestion
from winter_sync.api.alerts import Alerts, MirrorAlert, find_alerts
from winter_sync.api.coverage import find_coverage, refuse_odd_images
from winter_sync.api.cutouts import Cutouts
from winter_sync.api.exports import night_visits, nightlog_rows, obscore_rows
from winter_sync.api.history import find_history, restore_revision
from winter_sync.api.places import find_place
from winter_sync.api.products import Products
from winter_sync.api.questions import Question, as_instant, as_past_instant
from winter_sync.api.search import new_products, products_now, search_products
from winter_sync.catalog import Catalog, Images
from winter_sync.core import CATALOG, STATE_DIR, ErrorCode, UsageError, has_name, utc_now
from winter_sync.science import (
    NIGHTLOG_COLUMNS,
    OBSCORE_COLUMNS,
    choose_format,
    make_table,
    parse_angle,
    write_rows,
)
from winter_sync.tree import Tree, refuse_other_root

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from typing import BinaryIO

    from astropy.table import QTable

    from winter_sync.api.coverage import Coverage
    from winter_sync.api.places import Where
    from winter_sync.api.products import MirrorProduct
    from winter_sync.api.questions import (
        ConeLike,
        InstantLike,
        NightLike,
        RectangleLike,
        Words,
    )
    from winter_sync.catalog import AlertFiles, ProductHistory
    from winter_sync.core import Instrument, OutboxEvent
    from winter_sync.science import Visit

_EVENTS_AT_ONCE = 1000


class Mirror:
    """A mirror of the archive on this machine, opened for reading.

    Open one with `Mirror.open`; use it as a context manager, or call `close`. It may be used by the
    thread that opened it, while a daemon writes.

    Parameters
    ----------
    root
        The root of the tree.
    catalog
        The catalog of the mirror.
    follow_links
        Whether directories of products may be symbolic links.
    """

    def __init__(self, root: Path, catalog: Catalog, *, follow_links: bool = False) -> None:
        self.root = root
        self._catalog = catalog
        self._follow_links = follow_links

    @classmethod
    def open(
        cls,
        root: str | os.PathLike[str],
        *,
        state: str | os.PathLike[str] | None = None,
        follow_links: bool = False,
    ) -> Self:
        """Open the mirror in a directory; no settings are needed.

        Parameters
        ----------
        root
            The root of the tree (`mirror.root` of the settings).
        state
            The directory of the catalog, where `mirror.state` names another than
            `<root>/.winter-sync`.
        follow_links
            Whether directories of products may be symbolic links (`mirror.follow_links`).

        Raises
        ------
        UsageError
            If there is no mirror.
        StorageError
            If it cannot be read, or the catalog belongs to another root.
        """
        place = Path(root).expanduser().absolute()
        path = (Path(state).expanduser() if state else place / STATE_DIR) / CATALOG
        if not has_name(path):
            raise UsageError(
                f"there is no mirror in {place}",
                remedy="Name the directory that `mirror.root` of the settings names; run "
                "`winter-sync sync` first if nothing was mirrored yet.",
                code=ErrorCode.MIRROR_NONE,
            )
        catalog = Catalog(path, utc_now, reading=True)
        try:
            name = catalog.mirror_name()
            if name is not None:
                refuse_other_root(Tree(place), name, path)
        except BaseException:
            catalog.close()
            raise
        return cls(place, catalog, follow_links=follow_links)

    def events(self, since: int = 0) -> Iterator[OutboxEvent]:
        """Yield what happened after the event of this number, in order: what `events` shows.

        Raises
        ------
        StorageError
            If the catalog cannot be read.
        """
        while events := self._catalog.outbox.since(since, _EVENTS_AT_ONCE):
            yield from events
            since = events[-1].number

    def events_before(self, number: int) -> Iterator[OutboxEvent]:
        """Yield what happened before the event of this number, the newest first.

        Raises
        ------
        StorageError
            If the catalog cannot be read.
        """
        while events := self._catalog.outbox.before(number, _EVENTS_AT_ONCE):
            yield from events
            number = events[-1].number

    def newest_event(self) -> int:
        """Return the number of the newest event, or the one before that of the first.

        Raises
        ------
        StorageError
            If the catalog cannot be read.
        """
        return self._catalog.outbox.newest()

    def history(self, file: str | os.PathLike[str]) -> ProductHistory:
        """Return the revisions of a product, and what else happened to it.

        Parameters
        ----------
        file
            Its path, absolute or relative to the current directory or the root; its file name; or
            its savepath.

        Raises
        ------
        UsageError
            If no product has this name, or several have.
        """
        return find_history(self._catalog.history, self.root, file)

    def restore(
        self,
        file: str | os.PathLike[str],
        revision: int,
        output: str | os.PathLike[str] | None = None,
    ) -> Path:
        """Copy a kept older revision of a product to a new file, and return its path.

        Parameters
        ----------
        file
            As for `history`.
        revision
            Which, counted from 1.
        output
            The new file, or a directory for it; never inside the tree. By default a file in the
            current directory whose name says which revision it is.

        Raises
        ------
        UsageError
            If that revision is not kept, or the new file cannot be there.
        StorageError
            If it cannot be read or written, or is not what was downloaded.
        """
        history = self.history(file)
        return restore_revision(self.root, history, revision, Path(output) if output else None)

    def find(  # noqa: PLR0913 - all by name
        self,
        *,
        program: Words = None,
        target: Words = None,
        cone: ConeLike | list[ConeLike] | None = None,
        rectangle: RectangleLike | list[RectangleLike] | None = None,
        image_type: Words = None,
        instrument: Words = None,
        night: NightLike | Iterable[NightLike] | None = None,
        first_night: NightLike | None = None,
        last_night: NightLike | None = None,
        filter: Words = None,  # noqa: A002 - the astronomers' word
        state: Words = None,
        new_since: InstantLike | None = None,
        limit: int | None = None,
        newest_first: bool = False,
    ) -> Products:
        """Return the products for which all conditions hold, in the order of their exposures.

        Of several values of one condition any may hold.

        Parameters
        ----------
        program
            Programs that list a product or did.
        target
            Names, in upper or lower case; "*" stands for any text.
        cone
            "RA,DEC,RADIUS", "TARGET,RADIUS", (ra, dec, radius) or (position, radius), where a
            position is text or a `SkyCoord`; in degrees. A product matches if its listed position
            is inside or one of its images shows a part of the circle. Several in a list.
        rectangle
            "RA1,RA2,DEC1,DEC2" or (ra1, ra2, dec1, dec2), degrees, eastwards from RA1 to RA2, which
            may be across right ascension 0. Several in a list.
        image_type
            exposure, raw, science, stack, diff or avro.
        instrument
            winter or spring.
        night, first_night, last_night
            Nights at Palomar: "20240211", "2024-02-11", "yesterday", "-7d" or a date.
        filter
            Names such as "J".
        state
            downloaded, pending, missing, withdrawn or damaged.
        new_since
            Only what was downloaded since this instant: "2024-02-11T05:30", "-12h" or a datetime.
        limit
            At most this many.
        newest_first
            Begin with the newest exposure instead of the oldest.

        Raises
        ------
        UsageError
            If a condition makes no sense, or there is no such program or target.
        StorageError
            If the catalog cannot be read.
        """
        question = Question(
            program=program,
            target=target,
            cone=cone,
            rectangle=rectangle,
            image_type=image_type,
            instrument=instrument,
            night=night,
            first_night=first_night,
            last_night=last_night,
            filter=filter,
            state=state,
            new_since=new_since,
            limit=limit,
            newest_first=newest_first,
        )
        return Products(self.stream(question))

    def night(self, night: NightLike, **conditions: Any) -> Products:  # noqa: ANN401 - those of find
        """Return the products of a night; further conditions are those of `find`."""
        return self.find(night=night, **conditions)

    def new(
        self,
        since: InstantLike,
        *,
        follow: bool = False,
        every: float = 10.0,
        sleep: Callable[[float], object] = time.sleep,
        **conditions: Any,  # noqa: ANN401 - those of find
    ) -> Iterator[MirrorProduct]:
        """Yield what was downloaded since an instant, in the order of arrival.

        A product that was reprocessed is yielded again when its new content has arrived.

        Parameters
        ----------
        since
            "2024-02-11T05:30", "yesterday", "-12h" or a datetime.
        follow
            Wait for what arrives later, for ever.
        every
            How often to look for it, in seconds.
        sleep
            Waits for a number of seconds.
        conditions
            Those of `find`.

        Raises
        ------
        UsageError
            If a condition makes no sense.
        StorageError
            If the catalog cannot be read.
        """
        search = Question(new_since=since, **conditions).search(self._catalog, utc_now())
        wait = (lambda: sleep(every)) if follow else None
        return new_products(self._catalog, self.root, search, wait)

    def refresh(self, products: Iterable[MirrorProduct]) -> Products:
        """Return products that were found before as they are now, the oldest exposure first."""
        return self.products(product.identity for product in products)

    def products(self, identities: Iterable[tuple[Instrument, str]]) -> Products:
        """Return the products with these cameras and savepaths, as far as they are known."""
        return Products(products_now(self._catalog, self.root, identities))

    def stream(self, question: Question) -> Iterator[MirrorProduct]:
        """Yield the products that answer a question, without holding them all in memory."""
        search = question.search(self._catalog, utc_now())
        return search_products(self._catalog, self.root, search)

    def alerts(  # noqa: PLR0913 - all by name
        self,
        *,
        cone: ConeLike | None = None,
        target: Words = None,
        objectid: str | None = None,
        since: InstantLike | None = None,
        until: InstantLike | None = None,
        min_rb: float | None = None,
        program: Words = None,
        night: NightLike | Iterable[NightLike] | None = None,
        first_night: NightLike | None = None,
        last_night: NightLike | None = None,
        limit: int | None = None,
    ) -> Alerts:
        """Return the alerts for which all conditions hold, the oldest first.

        Parameters
        ----------
        cone
            Within this circle, given as for `find`.
        target, program
            Of images that were listed under one of these names.
        objectid
            Of this object, such as "WNTR24aaaab".
        since, until
            Observed at or after, and before: "2024-02-11T05:30", "-7d" or a datetime.
        min_rb
            With a real-bogus score of at least this.
        night, first_night, last_night
            Of this night, or these; the last one belongs to the span.
        limit
            Only so many, the newest.

        Raises
        ------
        UsageError
            If a condition makes no sense, or there is no such program or target.
        StorageError
            If the catalog cannot be read.
        """
        question = AlertQuestion(
            cone=cone,
            target=target,
            objectid=objectid,
            since=since,
            until=until,
            min_rb=min_rb,
            program=program,
            night=night,
            first_night=first_night,
            last_night=last_night,
            limit=limit,
        )
        return Alerts(self.stream_alerts(question))

    def light_curve(self, objectid: str) -> Alerts:
        """Return the detections of an object, the oldest first."""
        return self.alerts(objectid=objectid)

    def stream_alerts(self, question: AlertQuestion) -> Iterator[MirrorAlert]:
        """Yield the alerts that answer a question, without holding them all in memory."""
        query = question.query(self._catalog, utc_now())
        return find_alerts(self._catalog, self.root, query)

    def alert_files(self) -> AlertFiles:
        """Return how many alert files are here, how many were not read, or not downloaded yet."""
        return self._catalog.alerts.count_files()

    def covers(  # noqa: PLR0913 - all but the place by name
        self,
        where: Where,
        *,
        since: InstantLike | None = None,
        filter: Words = None,  # noqa: A002 - the astronomers' word
        image_type: Words = None,
        instrument: Words = None,
        deeper_than: float | None = None,
        program: Words = None,
        night: NightLike | Iterable[NightLike] | None = None,
        first_night: NightLike | None = None,
        last_night: NightLike | None = None,
    ) -> Coverage:
        """Return the images on this machine that show a position, in the order of their exposures.

        Parameters
        ----------
        where
            A target's name; a position as people write it, such as "10h03m50s +17d49m", or
            `(ra, dec)` in degrees; or a `SkyCoord` of astropy.
        since
            Only exposures from then on: "2024-02-11", "-7d" or a datetime.
        filter, image_type, instrument, program, night, first_night, last_night
            As for `find`.
        deeper_than
            Only images with a fainter limiting magnitude, AB.

        Raises
        ------
        UsageError
            If the place is not known, or a condition makes no sense.
        StorageError
            If the catalog cannot be read.
        """
        now = utc_now()
        question = Question(
            filter=filter,
            image_type=image_type,
            instrument=instrument,
            program=program,
            night=night,
            first_night=first_night,
            last_night=last_night,
        )
        search = question.search(self._catalog, now)
        asked = Images(
            image_types=search.image_types,
            instruments=search.instruments,
            filters=search.filters,
            since=None if since is None else as_instant(since, now),
            programs=search.programs,
            nights=search.nights,
            first_night=search.first_night,
            last_night=search.last_night,
        )
        refuse_odd_images(asked, deeper_than)
        place = find_place(self._catalog, where)
        return find_coverage(self._catalog, self.root, place, asked, deeper_than)

    def cutouts(
        self,
        where: Where,
        size: str | float = "60s",
        **conditions: Any,  # noqa: ANN401 - those of covers
    ) -> Cutouts:
        """Return cutouts of the images that show a position, made as they are iterated over.

        Parameters
        ----------
        where
            As for `covers`.
        size
            The length of each side: "60s", "2m", "0.1d", or a number of arcseconds.
        conditions
            Those of `covers`.

        Raises
        ------
        UsageError
            If the place is not known, or a condition or the size makes no sense.
        StorageError
            If the catalog cannot be read.
        """
        side = parse_angle(str(size), unit="arcsec")
        coverage = self.covers(where, **conditions)
        return Cutouts(self.root, coverage, side, utc_now(), follow_links=self._follow_links)

    def export(
        self,
        output: str | os.PathLike[str] | BinaryIO,
        *,
        format: str | None = None,  # noqa: A002 - astropy's word
        as_of: InstantLike | None = None,
        **conditions: Any,  # noqa: ANN401 - those of find
    ) -> int:
        """Write products as a table of ObsCore 1.1; return how many there are.

        Few rows are in memory at a time, however many there are.

        Parameters
        ----------
        output
            A file, which gets its name only when it is complete; or a stream of bytes.
        format
            table, csv, json, ecsv, votable or fits; None for what the name of the file says.
        as_of
            Write what was here at this instant: "2024-02-11", "-7d" or a datetime. Listings are
            those of now; facts of a content that was replaced since are unknown.
        conditions
            Those of `find`.

        Raises
        ------
        UsageError
            If a condition makes no sense, or there can be no such file.
        StorageError
            If the catalog cannot be read or the file cannot be written.
        """
        where = Path(output).expanduser() if isinstance(output, str | os.PathLike) else output
        chosen = choose_format(format, where if isinstance(where, Path) else None)
        with closing(self.export_rows(Question(**conditions), as_of)) as rows:
            return write_rows(OBSCORE_COLUMNS, rows, where, chosen)

    def export_rows(
        self, question: Question, as_of: InstantLike | None = None
    ) -> Generator[dict[str, object], None, None]:
        """Yield the rows of an export; see `export`. Close it before the mirror."""
        now = utc_now()
        instant = None if as_of is None else as_past_instant(as_of, now)
        return obscore_rows(self._catalog, self.root, question.search(self._catalog, now), instant)

    def nightlog(self, night: NightLike, **conditions: Any) -> QTable:  # noqa: ANN401 - those of find
        """Return the log of a night: what was observed, with the pipeline's names of columns.

        Of each camera the images of one type, the first of exposure, raw, science and stack that
        the night has; further conditions are those of `find`.
        """
        return make_table(self.nightlog_rows(Question(night=night, **conditions)), NIGHTLOG_COLUMNS)

    def visits(self, question: Question) -> list[Visit]:
        """Return the visits of a night, with the dithers and boards seen of each."""
        return night_visits(self._catalog, self.root, question.search(self._catalog, utc_now()))

    def nightlog_rows(self, question: Question) -> list[dict[str, object]]:
        """Return the rows of a log; see `nightlog`."""
        search = question.search(self._catalog, utc_now())
        return nightlog_rows(self._catalog, self.root, search)

    def close(self) -> None:
        """Close the catalog."""
        self._catalog.close()

    def __enter__(self) -> Self:
        """Return the mirror itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the catalog."""
        self.close()
