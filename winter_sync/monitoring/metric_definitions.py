"""The table of our metrics: the name of each, what it means, and its labels.

Labels have few values: programs, instruments and types come from the settings, all else is
listed here. tools/reference.py makes docs/reference/metrics.md of it.
"""

from __future__ import annotations

from dataclasses import dataclass

NAMESPACE = "winter_sync"
SUBJECT = ("program", "instrument", "image_type")
KIND = ("instrument", "image_type")
SUCCEEDED = "succeeded"

_POLL_BUCKETS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
"""Up to the longest that a query may take by default."""
_DOWNLOAD_BUCKETS = (0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)
"""From a single stack to a batch of exposures over a slow wire."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric: its name without the namespace, what it means, and its labels.

    A counter's name is written with `_total` behind it. `buckets` are a histogram's upper
    bounds.
    """

    kind: str
    name: str
    about: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()

    @property
    def full_name(self) -> str:
        """The name as Prometheus has it."""
        return f"{NAMESPACE}_{self.name}" + ("_total" if self.kind == "counter" else "")


POLLS = Metric("counter", "polls", "Listings requested, by result.", (*SUBJECT, "result"))
POLL_SECONDS = Metric(
    "histogram",
    "poll_seconds",
    "Seconds from a query to the commit of its result.",
    buckets=_POLL_BUCKETS,
)
HALVED = Metric(
    "counter", "windows_halved", "Listings too long for the server, requested in halves.", SUBJECT
)
ROWS = Metric("counter", "listed_rows", "Rows of listings that were read.", SUBJECT)
ROWS_LEFT_OUT = Metric(
    "counter", "refused_rows", "Rows of listings that made no sense and were left out.", SUBJECT
)
CHANGES = Metric(
    "counter",
    "listed_changes",
    "Products found new, changed, returned or withdrawn by polls.",
    (*SUBJECT, "change"),
)
LEFT_OUT = Metric(
    "counter", "left_out_products", "Products left out because another has their path."
)
RECEIVED = Metric("counter", "received_bytes", "Bytes of downloads, as on the wire.", KIND)
PUBLISHED = Metric("counter", "published_bytes", "Bytes put into the tree.", KIND)
SETTLED = Metric(
    "counter", "settled_products", "Products requested, by outcome.", (*KIND, "outcome")
)
FAILURES = Metric("counter", "failed_products", "Products that did not arrive.", ("cause",))
BEGUN = Metric("counter", "begun_downloads", "Downloads started.")
DOWNLOADS = Metric("counter", "downloads", "Downloads that ended, by how.", ("result",))
DOWNLOAD_SECONDS = Metric(
    "histogram",
    "download_seconds",
    "Seconds from the request of a batch to its end.",
    buckets=_DOWNLOAD_BUCKETS,
)
RETRIES = Metric("counter", "retries", "Requests retried after a transient failure.")
SERVER_FAILING = Metric(
    "gauge", "server_unwell", "1 while requests to the server are paused, otherwise 0."
)
SERVER_FAILURES = Metric(
    "counter", "server_unwell_times", "Times the server stopped responding or returned errors."
)
WITHHELD = Metric(
    "gauge",
    "withheld_connections",
    "How many fewer downloads than api.connections may run at once now.",
)
REFUSED = Metric(
    "gauge", "program_refused", "1 while the program's credentials are refused.", ("program",)
)
REFUSALS = Metric(
    "counter", "program_refusals", "Times a program's credentials were refused.", ("program",)
)
STORAGE = Metric("counter", "storage_troubles", "Times the disk or the catalog failed.")
PAUSES = Metric("counter", "download_rests", "Times downloads were paused.")
RELOADS = Metric("counter", "reloads", "Times the settings were read again.", ("result",))
JUMPS = Metric("counter", "clock_jumps", "Times the clock jumped, or the machine slept.")
CLOCKS = Metric(
    "counter",
    "clock_disagreements",
    "Times the archive's clock was found more than a day from this machine's.",
)
RECOVERED = Metric("counter", "recovered_products", "Products recovered after a crash.", ("how",))
BUILD = Metric("gauge", "build_info", "Always 1; what is running.", ("version", "python"))
PRODUCTS = Metric(
    "gauge",
    "products",
    "Products in the catalog, each in one state: wanted, claimed, missing, published, damaged, "
    "withdrawn.",
    ("state",),
)
HELD_WITHDRAWALS = Metric(
    "gauge",
    "held_withdrawals",
    "Products that vanished from a listing at once and do not count as withdrawn yet.",
)
SUCCESS = Metric(
    "gauge",
    "last_successful_poll_timestamp_seconds",
    "When it was last listed with success, in Unix time; 0 if never.",
    SUBJECT,
)
AGE = Metric(
    "gauge",
    "last_successful_poll_age_seconds",
    "How long ago it was last listed with success; +Inf if never.",
    SUBJECT,
)
LAST_NIGHT = Metric(
    "gauge", "last_night_listed", "The newest night listed, as a number YYYYMMDD; 0 for none."
)
LAST_COMPLETE = Metric(
    "gauge",
    "last_night_complete",
    "The newest night of which all listed is here, as a number YYYYMMDD; 0 for none.",
)
CALENDAR_NIGHT = Metric(
    "gauge", "last_night", "The archive's own last night by the calendar, as a number YYYYMMDD."
)
NIGHT_PRODUCTS = Metric(
    "gauge",
    "last_night_products",
    "Products listed of that night: here, pending, missing, damaged, and science not kept by the "
    "archive.",
    ("state",),
)
NIGHT_COMPLETE = Metric(
    "gauge",
    "last_night_is_complete",
    "1 when all listed of that night is here, by listings made after it ended; otherwise 0.",
)
DAMAGED = Metric(
    "counter",
    "damaged_files",
    "Files of the tree found missing, changed or unreadable.",
    ("damage",),
)
CHECKED = Metric("counter", "checked_files", "Files of the tree read again and compared.")
CHECKED_BYTES = Metric("counter", "checked_bytes", "Bytes of the tree read again and compared.")
CHECKS_PAUSED = Metric("counter", "check_pauses", "Times the check of files could not go on.")
FACTS = Metric(
    "counter", "facts", "Images whose facts were read: all of them, or odd.", ("result",)
)
FACTS_DUE = Metric("gauge", "facts_due", "Images downloaded whose facts are not read yet.")
FACTS_PAUSED = Metric("counter", "facts_pauses", "Times facts could not be read or recorded.")
MANIFESTS = Metric(
    "counter",
    "manifests",
    "Manifests written because a night settled, or changed after it was settled.",
    ("change",),
)
MANIFESTS_PAUSED = Metric("counter", "manifest_pauses", "Times manifests could not be written.")
SETTLED_NIGHTS = Metric(
    "gauge", "settled_nights", "Nights that are settled, of each program.", ("program",)
)
NEWEST_SETTLED = Metric(
    "gauge",
    "newest_settled_night",
    "The newest settled night of each program, as a number YYYYMMDD; 0 for none.",
    ("program",),
)
DELIVERY_FAILURES = Metric(
    "counter", "delivery_failures", "Times a sink did not take events.", ("sink",)
)
EVENTS_LOST = Metric("counter", "lost_events", "Events removed before a sink had them.", ("sink",))
EVENTS_WAITING = Metric(
    "gauge", "waiting_events", "Events that a sink takes and lacks, at most 10000.", ("sink",)
)
DELIVERED = Metric(
    "gauge",
    "last_delivery_timestamp_seconds",
    "When the sink last took events, in Unix time; 0 if never.",
    ("sink",),
)
DELIVERY_FAILING = Metric(
    "gauge",
    "delivery_failing_since_timestamp_seconds",
    "Since when the sink takes no events, in Unix time; 0 if it does.",
    ("sink",),
)
FREE = Metric("gauge", "free_bytes", "Free bytes on the file system of the root.")
MIN_FREE = Metric("gauge", "min_free_bytes", "Bytes that are always left free there.")
PREVIEWS = Metric(
    "counter", "previews", "Previews of images that were drawn, or could not be.", ("result",)
)
PREVIEW_BYTES = Metric("gauge", "preview_bytes", "Bytes that the kept previews take.")
UNREADABLE = Metric(
    "gauge",
    "unreadable",
    "1 if the part could not be read just now; its metrics are absent then.",
    ("part",),
)
METRICS = (
    *(POLLS, POLL_SECONDS, HALVED, ROWS, ROWS_LEFT_OUT, CHANGES, LEFT_OUT),
    *(BEGUN, DOWNLOADS, DOWNLOAD_SECONDS, RECEIVED, PUBLISHED, SETTLED, FAILURES),
    *(
        RETRIES,
        SERVER_FAILING,
        SERVER_FAILURES,
        WITHHELD,
        REFUSED,
        REFUSALS,
        STORAGE,
        JUMPS,
        CLOCKS,
    ),
    RECOVERED,
    *(PAUSES, RELOADS, DAMAGED, CHECKED, CHECKED_BYTES, CHECKS_PAUSED),
    *(FACTS, FACTS_DUE, FACTS_PAUSED),
    *(MANIFESTS, MANIFESTS_PAUSED, SETTLED_NIGHTS, NEWEST_SETTLED),
    *(DELIVERY_FAILURES, EVENTS_LOST, EVENTS_WAITING, DELIVERED, DELIVERY_FAILING),
    *(PRODUCTS, HELD_WITHDRAWALS, SUCCESS, AGE, LAST_NIGHT, LAST_COMPLETE),
    *(CALENDAR_NIGHT, NIGHT_PRODUCTS, NIGHT_COMPLETE, FREE, MIN_FREE, UNREADABLE),
    *(PREVIEWS, PREVIEW_BYTES),
    BUILD,
)
"""All of ours. Beside them are those of the process that prometheus-client makes."""
