"""How an image lies on the sky."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Frame:
    """A TAN image: north is up, east is left.

    Parameters
    ----------
    shape
        Rows and columns.
    pixel
        Degrees that a pixel covers.
    ra, dec
        Where the tangent plane touches the sky, degrees.
    reference
        The FITS pixel (x and y, from 1) on which that place falls, often off the image.
    """

    shape: tuple[int, int]
    pixel: float
    ra: float
    dec: float
    reference: tuple[float, float]

    @classmethod
    def beside(
        cls,
        pointing: tuple[float, float],
        shape: tuple[int, int],
        pixel: float,
        offset: tuple[float, float] = (0.0, 0.0),
    ) -> Frame:
        """Return the frame whose middle is `offset` away from a pointing.

        The offset is in degrees east and north in the tangent plane of the pointing.
        """
        rows, columns = shape
        east, north = offset
        reference = (columns + 1) / 2 + east / pixel, (rows + 1) / 2 - north / pixel
        return cls(shape, pixel, *pointing, reference)

    def pixel_of(self, east: float, north: float) -> tuple[float, float]:
        """Return the FITS pixel of a point of the tangent plane, degrees."""
        x, y = self.reference
        return x - east / self.pixel, y + north / self.pixel

    def plane_of(self, x: float, y: float) -> tuple[float, float]:
        """Return the point of the tangent plane, degrees, of a FITS pixel."""
        return (self.reference[0] - x) * self.pixel, (y - self.reference[1]) * self.pixel
