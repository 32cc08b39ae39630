"""Paths of products: below the root, one for each product, whatever the archive says."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from winter_sync.core.errors import DamagedError, UsageError
from winter_sync.core.layout import DEFAULT_LAYOUT, STATE_DIR, Layout, subdir
from winter_sync.core.products import Night, Product
from winter_sync.core.traits import ImageType, Instrument

NIGHT = "20240211"
PATTERNS = [
    DEFAULT_LAYOUT,
    "{instrument}/{night}/{image_type}/{filename}",
    "{night}/{instrument}-{image_type}/{subdir}/{filename}",
    "{instrument}_{night}_{subdir}/{filename}",
    "mirror/{subdir}/{instrument}{night}/{filename}",
    "a{{b}}/{instrument}/{night}/{subdir}/{filename}",
]


def product(savepath: str, image_type: ImageType = ImageType.STACK, night: str = NIGHT) -> Product:
    """Return a product of this savepath."""
    return Product(Instrument.WINTER, savepath, image_type, Night(night))


def path(savepath: str, pattern: str = DEFAULT_LAYOUT) -> str:
    """Return the path of a stack of this savepath."""
    return Layout(pattern).path(product(savepath))


# --- what the archive may say ---------------------------------------------------------------------

plain_words = st.sampled_from(["raw", "final", "Final", "x", "été", "a b", "-rf", "~", "{night}"])
hostile_words = st.sampled_from(
    ["", ".", "..", "...", ".hidden", STATE_DIR, "%2e%2e", "n" * 255, "n" * 256, "é" * 128]
) | st.sampled_from(["\0", "a\nb", "a\x7f", "\x85", "a\\b", "\ud800", "\u202e", NIGHT, "20240212"])
words = plain_words | hostile_words | st.text(max_size=8).map(lambda text: text.replace("/", ""))
savepaths = st.lists(words, max_size=9).map("/".join) | st.text(max_size=30)
products = st.builds(
    Product,
    st.sampled_from(Instrument),
    savepaths,
    st.sampled_from(ImageType),
    st.sampled_from([Night(NIGHT), Night("00010101")]),
)


@given(products, st.sampled_from(PATTERNS))
def test_a_path_stays_below_the_root_or_is_refused(one: Product, pattern: str) -> None:
    """Every product is refused, or has a path of ordinary names that ends in its own name."""
    try:
        text = Layout(pattern).path(one)
    except DamagedError:
        return
    found = PurePosixPath(text)
    assert found.name == one.filename
    assert text.split("/") == list(found.parts)
    assert not found.is_absolute()
    assert all(not part.startswith(".") and "\\" not in part for part in found.parts)
    assert all(len(part.encode()) <= 255 for part in found.parts)
    assert len(text.encode()) <= 1024
    assert text.isprintable()
    root = Path("/srv/winter")
    assert (root / found).resolve().is_relative_to(root)


below = st.lists(plain_words | hostile_words.filter(lambda word: not word.isdecimal()), max_size=4)


@given(below, below, plain_words)
def test_directories_below_the_night_tell_products_apart(
    one: list[str], other: list[str], name: str
) -> None:
    """Two savepaths of a night that differ below it never get one path."""
    layout = Layout()
    found = []
    for directories in (one, other):
        savepath = "/".join(["/data/loki/data/winter", NIGHT, *directories, name])
        try:
            found.append(layout.path(product(savepath)))
        except DamagedError:
            return
    assert (found[0] == found[1]) is (one == other)


# --- what it does say -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("savepath", "image_type"),
    [
        ("/data/loki/raw_data/winter/20240211/raw/X_mef.fits", ImageType.EXPOSURE),
        ("/data/loki/data/winter/20240211/final/X_mef_4_0_0_stack.fits", ImageType.STACK),
        ("/data/loki/data/winter/20240211/diffs/sub/X.diff.fits", ImageType.DIFF),
    ],
)
def test_the_default_is_what_the_pipeline_reads(savepath: str, image_type: ImageType) -> None:
    """Below the archive's root, a product keeps its very path."""
    found = Layout().path(product(savepath, image_type))
    assert found == savepath[savepath.index("winter/") :]


@pytest.mark.parametrize(
    ("savepath", "expected"),
    [
        ("X.fits", "final"),
        ("/X.fits", "final"),
        ("/somewhere/else/X.fits", "else"),
        ("20240211/a/b/X.fits", "a/b"),
        ("20240211/X.fits", None),
        ("/a/20240211/b/20240211/c/X.fits", "c"),
        ("/a/120240211/b/X.fits", "b"),
    ],
)
def test_directories_that_are_not_the_usual_ones(savepath: str, expected: str | None) -> None:
    """All that stands below the night counts; without a night the last directory does."""
    assert subdir(product(savepath)) == expected


def test_a_product_without_a_directory_lies_in_its_night() -> None:
    """A part of the layout that is only the subdirectory is left out where there is none."""
    assert path("/winter/20240211/X.fits") == "winter/20240211/X.fits"
    flat = "{instrument}_{night}_{subdir}/{filename}"
    assert path("/winter/20240211/X.fits", flat) == "winter_20240211_/X.fits"


def test_names_that_differ_in_case_get_paths_that_do() -> None:
    """Nothing is folded here; it is the catalog that keeps such paths apart."""
    assert path(f"/{NIGHT}/final/x.fits") != path(f"/{NIGHT}/Final/x.fits")


def test_braces_of_the_archive_are_no_fields() -> None:
    """What the archive says is put in as it is."""
    assert path(f"/{NIGHT}/{{night}}/{{0}}.fits") == f"winter/{NIGHT}/{{night}}/{{0}}.fits"


@pytest.mark.parametrize(
    ("savepath", "why"),
    [
        (f"/{NIGHT}/../X.fits", "'..' begins with a dot"),
        (f"/{NIGHT}/./X.fits", "'.' begins with a dot"),
        (f"/{NIGHT}/a//X.fits", "a part of it is empty"),
        (f"/{NIGHT}//X.fits", "a part of it is empty"),
        (f"/{NIGHT}/a/", "a part of it is empty"),
        (f"/{NIGHT}/a/.X.fits", "'.X.fits' begins with a dot"),
        (f"/{NIGHT}/{STATE_DIR}/X", f"'{STATE_DIR}' begins with a dot"),
        (f"/{NIGHT}/a/X\0.fits", r"'X\x00.fits' has a control character"),
        (f"/{NIGHT}/a\\..\\b/X", "has a control character or a backslash"),
        (f"/{NIGHT}/a/\ud800", r"'\ud800' has a control character"),
        (f"/{NIGHT}/a/.{'n' * 59}", "'." + "n" * 59 + "' begins with a dot"),
        (f"/{NIGHT}/a/{'n' * 256}", "'" + "n" * 60 + "'... has more than 255 bytes"),
        (f"/{NIGHT}/" + "n/" * 600 + "X", "it has more than 1024 bytes"),
    ],
)
def test_an_unsafe_savepath_is_refused_with_its_reason(savepath: str, why: str) -> None:
    """The error says what is unsafe, and that the others are mirrored all the same."""
    with pytest.raises(DamagedError, match=re.escape(why)) as caught:
        Layout().path(product(savepath))
    assert "all others are mirrored" in caught.value.remedy


def test_the_longest_name_and_path_are_allowed() -> None:
    """255 bytes of a name and 1024 of a path are taken, one more is not."""
    name = "n" * 255
    assert Layout().path(product(f"/{NIGHT}/a/{name}")).endswith(f"/{name}")
    deep = f"/{NIGHT}/" + "abc/" * 251
    assert len(path(deep + "XXXX")) == 1024
    with pytest.raises(DamagedError):
        path(deep + "XXXXX")


# --- patterns -------------------------------------------------------------------------------------


@pytest.mark.parametrize("pattern", PATTERNS)
def test_usable_patterns_are_taken(pattern: str) -> None:
    """A pattern that keeps products apart and files named is usable."""
    found = path("/data/winter/20240211/final/X.fits", pattern)
    assert found.endswith("/X.fits")
    assert NIGHT in found


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("", "its last part must be {filename}"),
        ("{instrument}/{night}/{subdir}/x_{filename}", "its last part must be {filename}"),
        ("{instrument}/{night}/{subdir}/{filename}/", "its last part must be {filename}"),
        ("/{instrument}/{night}/{subdir}/{filename}", "a part of it is empty"),
        ("{instrument}//{night}/{subdir}/{filename}", "a part of it is empty"),
        ("../{instrument}/{night}/{subdir}/{filename}", "'..' begins with a dot"),
        (".{instrument}/{night}/{subdir}/{filename}", "'.winter' begins with a dot"),
        ("{night}/{subdir}/{filename}", "it needs {instrument}, {night} and"),
        ("{instrument}/{subdir}/{filename}", "it needs {instrument}, {night} and"),
        ("{instrument}/{night}/{filename}", "it needs {instrument}, {night} and"),
        ("{instrument}/{night}/{subdir}/{program}/{filename}", "{program} is not one of"),
        ("{instrument.value}/{night}/{subdir}/{filename}", "{instrument.value} is not one of"),
        ("{}/{night}/{subdir}/{filename}", "{} is not one of"),
        ("{instrument}/{night:>9}/{subdir}/{filename}", "its fields take no format"),
        ("{instrument!r}/{night}/{subdir}/{filename}", "its fields take no format"),
        ("{instrument/{night}/{subdir}/{filename}", "cannot be used"),
        ("{instrument}/{night}/{subdir}}/{filename}", "cannot be used"),
        ("a\\b/{instrument}/{night}/{subdir}/{filename}", "a backslash"),
        ("a\nb/{instrument}/{night}/{subdir}/{filename}", "a control character"),
        ("n" * 256 + "/{instrument}/{night}/{subdir}/{filename}", "more than 255 bytes"),
    ],
)
def test_an_unusable_pattern_is_refused_with_its_reason(pattern: str, why: str) -> None:
    """A pattern that could mix products up or leave the root is the user's to mend."""
    with pytest.raises(UsageError, match=re.escape(why)) as caught:
        Layout(pattern)
    assert DEFAULT_LAYOUT in caught.value.remedy


@given(st.lists(st.sampled_from(["{instrument}", "{night}", "{subdir}", "{filename}"]) | words))
def test_any_pattern_is_usable_or_refused(parts: list[str]) -> None:
    """A pattern is refused as a usage error, or names a file by instrument, night and name."""
    try:
        found = path(f"/winter/{NIGHT}/final/X.fits", "/".join(parts))
    except UsageError:
        return
    assert {"winter", NIGHT, "final", "X.fits"} <= set(PurePosixPath(found).parts)
