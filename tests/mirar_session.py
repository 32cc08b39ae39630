"""Let the pipeline read a mirrored tree, and write as JSON what it made of it.

Run by mirar's own Python, which has nothing of ours; RAW_DATA_DIR and OUTPUT_DATA_DIR are the root
of the tree. The loaders are those that mirar's own configurations begin with; what each of them
refuses, or complains of in its log or in a warning, is listed, and so is why the rows of its
database refuse a header.
"""

# mirar is in its own environment, which mypy does not see.
# mypy: disable-error-code="import-not-found, misc"

from __future__ import annotations

import json
import logging
import sys
import warnings
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mirar.data import ImageBatch
from mirar.data.cache import cache
from mirar.paths import base_output_dir, base_raw_dir
from mirar.pipelines.spring import blocks as spring
from mirar.pipelines.spring.models import Diff as SpringDiff
from mirar.pipelines.spring.models import Raw as SpringRaw
from mirar.pipelines.spring.models import Stack as SpringStack
from mirar.pipelines.winter import blocks as winter
from mirar.pipelines.winter.models import Diff as WinterDiff
from mirar.pipelines.winter.models import Exposure
from mirar.pipelines.winter.models import Stack as WinterStack
from mirar.processors.utils.image_loader import ImageLoader

SPRING_STACK = spring.load_final_stack[0]
LOADERS = {
    "winter exposure": winter.load_raw[0],
    "winter raw": winter.load_unpacked[0],
    "winter stack": winter.load_final_stack[0],
    "winter diff": winter.load_sub[0],
    # What the pipeline saves there, it reads again with its plainest loader.
    "spring raw": ImageLoader(input_sub_dir="loaded_raw", input_img_dir=base_output_dir),
    "spring stack": SPRING_STACK,
    "spring stack with colour": ImageLoader(
        input_sub_dir="processed_after_psf_with_color",
        input_img_dir=base_output_dir,
        load_image=SPRING_STACK.load_image,
    ),
    "spring diff": spring.load_sub[0],
}
ROWS = {
    "winter exposure": Exposure,
    "winter stack": WinterStack,
    "winter diff": WinterDiff,
    "spring raw": SpringRaw,
    "spring stack": SpringStack,
    "spring diff": SpringDiff,
}
"""The rows of its database; WINTER's of raw images cannot be made without the database."""


class Complaints(logging.Handler):
    """Keeps what is logged as a warning or an error."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record."""
        self.said.append(f"{record.levelname}: {record.getMessage()}")


def read(kind: str, night: Path) -> list[Any]:
    """Load a directory of a night as mirar's pipelines do."""
    loader = LOADERS[kind]
    loader.set_night(f"{night.parent.name}/{night.name}")
    return list(loader._apply_to_images(ImageBatch()))


def judge(kind: str, complaints: Complaints) -> dict[str, Any]:
    """Read a type in all nights, and return what came of it."""
    loader = LOADERS[kind]
    paths, images = list[Path](), list[Any]()
    for night in sorted((Path(loader.input_img_dir) / kind.split(maxsplit=1)[0]).iterdir()):
        found = sorted((night / loader.input_sub_dir).glob("*.fits"))
        paths += found
        images += read(kind, night) if found else []
    complained, complaints.said = complaints.said, []
    key = "RAWPATH" if kind == "winter exposure" else "BASENAME"
    loaded = {Path(str(image[key])).name for image in images}
    model = ROWS.get(kind)
    reasons = (why_refused(model, image) for image in images if model is not None)
    return {
        "files": len(paths),
        "images": len(images),
        "refused": [path.name for path in paths if path.name not in loaded],
        "rows": 0 if model is None else len(images),
        "rows_refused": [reason for reason in reasons if reason],
        "classes": Counter(str(image["OBSCLASS"]) for image in images),
        "boards": Counter(str(image.header.get("BOARD_ID", "")) for image in images),
        "complaints": Counter(complained),
    }


def why_refused(model: Any, image: Any) -> str | None:  # noqa: ANN401 - mirar's own classes
    """Make the database's row of an image; return why its model refuses it."""
    fields = {name: image.header.get(name.upper()) for name in model.model_fields}
    # The path is the archive's in the header, and has to be that of a file.
    fields["savepath"] = str(Path(__file__))
    try:
        model(**fields)
    except ValueError as refused:
        return f"{image['BASENAME']}: {refused}"
    return None


def main() -> None:
    """Judge everything, and write it to the file that is named."""
    if base_raw_dir != base_output_dir:
        raise SystemExit("RAW_DATA_DIR and OUTPUT_DATA_DIR must be the root of one tree")
    complaints = Complaints()
    logging.getLogger().addHandler(complaints)
    logging.captureWarnings(capture=True)
    warnings.simplefilter("always")
    with TemporaryDirectory() as directory:
        cache.set_cache_dir(Path(directory))
        answer = {kind: judge(kind, complaints) for kind in LOADERS}
    Path(sys.argv[1]).write_text(json.dumps(answer, indent=1))


if __name__ == "__main__":
    main()
