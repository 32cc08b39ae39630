"""How an image lies on the sky."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Frame:
    """A TAN image: north is up and east is left, or the camera is turned by a right angle.

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
    turned
        Whether columns count northwards and rows eastwards, as on WINTER's detectors.
    """

    shape: tuple[int, int]
    pixel: float
    ra: float
    dec: float
    reference: tuple[float, float]
    turned: bool = False

    @property
    def matrix(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """The CD matrix: degrees east and north a pixel along x and along y."""
        if self.turned:
            return (0.0, self.pixel), (self.pixel, 0.0)
        return (-self.pixel, 0.0), (0.0, self.pixel)

    @classmethod
    def beside(
        cls,
        pointing: tuple[float, float],
        shape: tuple[int, int],
        pixel: float,
        offset: tuple[float, float] = (0.0, 0.0),
        *,
        turned: bool = False,
    ) -> Frame:
        """Return the frame whose middle is `offset` away from a pointing.

        The offset is in degrees east and north in the tangent plane of the pointing.
        """
        rows, columns = shape
        east, north = offset
        along_x, along_y = (-north, -east) if turned else (east, -north)
        reference = (columns + 1) / 2 + along_x / pixel, (rows + 1) / 2 + along_y / pixel
        return cls(shape, pixel, *pointing, reference, turned)

    def pixel_of(self, east: float, north: float) -> tuple[float, float]:
        """Return the FITS pixel of a point of the tangent plane, degrees."""
        x, y = self.reference
        if self.turned:
            return x + north / self.pixel, y + east / self.pixel
        return x - east / self.pixel, y + north / self.pixel
