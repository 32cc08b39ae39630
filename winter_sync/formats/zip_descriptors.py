"""Data descriptors: what follows a member whose header does not say its lengths and CRC-32.

All are generators: each yields None whenever more must arrive first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from winter_sync.formats.zip_records import (
    DESCRIPTOR,
    DESCRIPTOR_FORMS,
    LOCAL,
    LONGEST_FORM,
    RECORDS,
    SIGNED_FORMS,
    DescriptorForm,
    Member,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from winter_sync.formats.zip_buffer import Buffer


def read_descriptor(buffer: Buffer, member: Member) -> Generator[None, None, str | None]:
    """Read the descriptor behind a member; return how it differs from what arrived, None if not.

    Raises
    ------
    DamagedError
        If there is none.
    """
    if (yield from fitting_descriptor(buffer, member, DESCRIPTOR_FORMS)):
        return None
    fault = yield from contradiction(buffer, member, DESCRIPTOR_FORMS)
    if fault is None:
        raise buffer.damaged(f"no descriptor follows member {member.name!r}")
    return fault


def fitting_descriptor(
    buffer: Buffer, member: Member, forms: tuple[DescriptorForm, ...]
) -> Generator[None, None, bool]:
    """Step over the descriptor that agrees with what arrived, if there is one here.

    A form is judged once its own bytes are here, so that the last whole member of a truncated
    archive counts. Zeros prove little, so an empty member needs a record behind it as well.
    """
    for form in forms:
        yield from buffer.wait_for(form.size + (0 if member.got_size else len(LOCAL)))
        promised, end = form.read(buffer.pending, buffer.at), buffer.at + form.size
        certain = member.got_size > 0 or buffer.pending.startswith(RECORDS, end)
        if certain and _stands_here(buffer, form) and member.verdict(*promised) is None:
            buffer.at = end
            return True
    return False


def contradiction(
    buffer: Buffer, member: Member, forms: Iterable[DescriptorForm]
) -> Generator[None, None, str | None]:
    """Step over a descriptor that does not agree, known by what follows; return what is wrong."""
    yield from buffer.wait_for(LONGEST_FORM + len(LOCAL))
    for form in forms:
        end = buffer.at + form.size
        if _stands_here(buffer, form) and buffer.pending.startswith(RECORDS, end):
            promised = form.read(buffer.pending, buffer.at)
            buffer.at = end
            return member.verdict(*promised)
    return None


def right_sized(buffer: Buffer, member: Member, at: int) -> list[DescriptorForm]:
    """Return the signed forms in which a descriptor at this place would have the right sizes."""
    size = member.got_size + at - buffer.at
    return [form for form in SIGNED_FORMS if form.read(buffer.pending, at)[1:] == (size, size)]


def begun_signature(buffer: Buffer) -> int:
    """Return how many bytes at the end of what is here may begin a descriptor."""
    lengths = range(min(buffer.left, len(DESCRIPTOR) - 1), 0, -1)
    return next((n for n in lengths if buffer.pending.endswith(DESCRIPTOR[:n])), 0)


def _stands_here(buffer: Buffer, form: DescriptorForm) -> bool:
    return buffer.pending.startswith(form.signature, buffer.at)
