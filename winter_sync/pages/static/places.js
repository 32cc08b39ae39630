// Where the pixels of a picture are: in the images that it shows, and on the sky. Only numbers, no
// page: the server says how the picture was made (winter_sync/science/pictures.py, sky_grid.py).
"use strict";

const places = (() => {
  const RADIAN = Math.PI / 180;

  // Returns the image under a point of the picture, and the pixel of the image, or null. The middle
  // of the first pixel of an image is at 0, 0; points of the picture count from its upper left edge.
  function pixelAt(made, u, v) {
    for (const image of made.panels) {
      const [columns, rows] = image.shape;
      const [left, top] = image.corner;
      const x = (u - left) * image.factor - 0.5;
      const y = (top + Math.ceil(rows / image.factor) - v) * image.factor - 0.5;
      if (x >= -0.5 && x < columns - 0.5 && y >= -0.5 && y < rows - 0.5) return { image, x, y };
    }
    return null;
  }

  function cell(place, length, nodes) {
    const at = ((place + 0.5) / length) * (nodes - 1);
    const before = Math.min(Math.max(Math.floor(at), 0), nodes - 2);
    return [before, at - before];
  }

  // Returns how far east and north of the middle a pixel is, arcseconds in the plane of the sky.
  function offsets(sky, x, y) {
    const [column, across] = cell(x, sky.shape[0], sky.east[0].length);
    const [row, up] = cell(y, sky.shape[1], sky.east.length);
    return [sky.east, sky.north].map((v) =>
      (1 - up) * ((1 - across) * v[row][column] + across * v[row][column + 1]) +
      up * ((1 - across) * v[row + 1][column] + across * v[row + 1][column + 1]));
  }

  // Returns the right ascension and declination of a pixel, degrees.
  function position(sky, x, y) {
    const [east, north] = offsets(sky, x, y).map((v) => (v / 3600) * RADIAN);
    const [ra, dec] = sky.middle.map((v) => v * RADIAN);
    const sine = (Math.sin(dec) + north * Math.cos(dec)) / Math.hypot(1, east, north);
    const turned = Math.atan2(east, Math.cos(dec) - north * Math.sin(dec));
    const degrees = (ra + turned) / RADIAN;
    return [((degrees % 360) + 360) % 360, Math.asin(Math.max(-1, Math.min(1, sine))) / RADIAN];
  }

  // Returns the directions of north and east in the middle of an image, as unit vectors of its
  // columns and rows, and the arcseconds of a pixel.
  function directions(sky) {
    const [x, y] = sky.shape.map((length) => (length - 1) / 2);
    const [a, c] = difference(offsets(sky, x + 0.5, y), offsets(sky, x - 0.5, y));
    const [b, d] = difference(offsets(sky, x, y + 0.5), offsets(sky, x, y - 0.5));
    const area = a * d - b * c;
    return {
      north: unit(-b / area, a / area),
      east: unit(d / area, -c / area),
      scale: Math.sqrt(Math.abs(area)),
    };
  }

  function difference(one, other) {
    return [one[0] - other[0], one[1] - other[1]];
  }

  function unit(x, y) {
    const length = Math.hypot(x, y);
    return [x / length, y / length];
  }

  // Writes an angle in units of 1/60, rounded before it is taken apart: never 60 of anything.
  function sexagesimal(value, digits) {
    const ten = 10 ** digits;
    const total = Math.round(Math.abs(value) * 3600 * ten);
    const parts = [Math.floor(total / (3600 * ten)), Math.floor(total / (60 * ten)) % 60];
    const seconds = ((total % (60 * ten)) / ten).toFixed(digits).padStart(digits + 3, "0");
    return [...parts.map((part) => String(part).padStart(2, "0")), seconds].join(":");
  }

  function written(ra, dec) {
    const hours = Math.round(ra * 240 * 100) >= 24 * 3600 * 100 ? 0 : ra / 15;
    return sexagesimal(hours, 2) + " " + (dec < 0 ? "-" : "+") + sexagesimal(dec, 1);
  }

  const LENGTHS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 18000];

  // Returns the longest round angle of at most so many arcseconds, and how it is written.
  function roundAngle(most) {
    const angle = LENGTHS.filter((length) => length <= most).pop() || LENGTHS[0];
    if (angle >= 3600) return [angle, angle / 3600 + " deg"];
    return angle >= 60 ? [angle, angle / 60 + " arcmin"] : [angle, angle + " arcsec"];
  }

  return { pixelAt, position, directions, written, roundAngle };
})();

if (typeof module !== "undefined") module.exports = places;
