"""What happens to an archive in a month, and by hand to the tree of its mirror."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from support.rig import path_of

from winter_sync.core.traits import ImageType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from long.month_expected import Expected
    from support.rig import Rig

    from winter_sync.simulator.observatory.observatory import Entry

T = TypeVar("T")

PROGRAMS = ("2024A000", "2024B001")
TYPES = (ImageType.STACK, ImageType.DIFF, ImageType.EXPOSURE)
REMADE = ((), (ImageType.STACK,), (ImageType.DIFF,), (ImageType.STACK, ImageType.DIFF))
"""What a night that is processed again has remade: nothing but the marks, or products."""


class Changes:
    """Changes of an archive and of a tree; each method takes a number that says of what.

    What cannot be changed, because there is none of it, is left.
    """

    def __init__(self, rig: Rig, expected: Expected) -> None:
        self._rig = rig
        self._observatory = rig.observatory
        self._expected = expected

    # --- the archive -----------------------------------------------------------------------------

    def reprocess(self, chosen: int) -> None:
        """Process a night again, with new content or only new marks."""
        nights = sorted({entry.product.night for entry in self._listed()})
        for night in one_of(nights, chosen):
            remade = REMADE[chosen // len(nights) % len(REMADE)]
            self._observatory.reprocess(night, remade)

    def rerun(self, chosen: int) -> None:
        """Make a stack or a diff anew without new marks: nobody can know but by asking for it."""
        for entry in one_of(self._listed(*REMADE[-1]), chosen):
            self._observatory.rerun(entry.product)
            self._expected.silent.add(path_of(entry.product))

    def rename(self, chosen: int) -> None:
        """Rename a stack or a diff, unless it has no other exposure to be named after."""
        image_type = REMADE[-1][chosen % 2]
        for entry in one_of(self._listed(image_type), chosen):
            if entry.holding.dither.number < len(entry.holding.visit.dithers):
                renamed = self._observatory.rename(entry.product)
                self._expected.renamed[entry.product.savepath] = renamed.savepath

    def withdraw(self, chosen: int) -> None:
        """Withdraw a product."""
        for entry in one_of(self._listed(), chosen):
            self._observatory.withdraw(entry.product)

    def withdraw_many(self, chosen: int) -> None:
        """Withdraw all that is listed of one type."""
        for entry in self._listed(TYPES[chosen % len(TYPES)]):
            self._observatory.withdraw(entry.product)

    def relist(self, chosen: int) -> None:
        """List a withdrawn product again."""
        for entry in one_of(self._withdrawn(), chosen):
            self._observatory.relist(entry.product)

    def relist_many(self, chosen: int) -> None:
        """List all withdrawn products of one type again."""
        for entry in self._withdrawn(TYPES[chosen % len(TYPES)]):
            self._observatory.relist(entry.product)

    def list_twice(self, chosen: int) -> None:
        """List a product under the other program, too."""
        for entry in one_of(self._listed(), chosen):
            self._observatory.list_also_under(entry.product, _other(entry))

    def list_once(self, chosen: int) -> None:
        """List a product that two programs list under its own only."""
        twice = [entry for entry in self._listed() if entry.also_under]
        for entry in one_of(twice, chosen):
            entry.also_under.clear()

    def correct_target(self, chosen: int) -> None:
        """Correct the target of a product."""
        for entry in one_of(self._listed(), chosen):
            target = f"SN{chosen}"
            self._observatory.correct(entry.product, program=entry.program, target=target)

    def correct_program(self, chosen: int) -> None:
        """Correct the program of a product, and its target with it or not."""
        for entry in one_of(self._listed(), chosen):
            target = entry.target if chosen % 2 else f"SN{chosen}"
            self._observatory.correct(entry.product, program=_other(entry), target=target)

    def remove_file(self, chosen: int) -> None:
        """Remove a file from the archive that lists it."""
        for entry in one_of(self._listed(), chosen):
            self._observatory.remove_file(entry.product)

    def restore_file(self, chosen: int) -> None:
        """Put a removed file back."""
        removed = [entry for entry in self._listed() if entry.removed]
        for entry in one_of(removed, chosen):
            self._observatory.restore_file(entry.product)

    # --- the tree --------------------------------------------------------------------------------

    def delete(self, chosen: int) -> None:
        """Delete a file of the tree by hand."""
        for path in one_of(sorted(self._rig.files()), chosen):
            (self._rig.root / path).unlink()
            self._expected.lose(path)

    def damage(self, chosen: int) -> None:
        """Damage a file of the tree by hand."""
        for path in one_of(sorted(self._rig.files()), chosen):
            content = f"damaged {chosen} {len(self._expected.spoiled)}".encode()
            (self._rig.root / path).write_bytes(content)
            self._expected.spoil(path, content)

    def _listed(self, *image_types: ImageType) -> list[Entry]:
        """Return what the archive lists of some types, or of all that are mirrored."""
        return [
            entry
            for entry in self._observatory.entries()
            if entry.product.image_type in (image_types or TYPES)
        ]

    def _withdrawn(self, *image_types: ImageType) -> list[Entry]:
        return [
            entry
            for entry in self._expected.entries(image_types or TYPES).values()
            if entry.withdrawn
        ]


CHANGES = (
    *(
        "reprocess",
        "rerun",
        "rename",
        "withdraw",
        "relist",
        "list_twice",
        "list_once",
        "correct_target",
    ),
    *("correct_program", "withdraw_many", "relist_many"),
    *("remove_file", "restore_file", "delete", "damage"),
)
"""All kinds of changes: the methods of `Changes`."""


def one_of(found: Sequence[T], chosen: int) -> Sequence[T]:
    """Return the chosen one of some; none where there is none."""
    return [found[chosen % len(found)]] if found else []


def _other(entry: Entry) -> str:
    return PROGRAMS[entry.program == PROGRAMS[0]]
