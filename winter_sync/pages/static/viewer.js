// Zooms and moves the preview of a product, and says where on the sky the pointer is. Without this
// script it is a picture.
"use strict";

(() => {
  const viewer = document.getElementById("viewer");
  const picture = document.getElementById("viewer-picture");
  const readout = document.getElementById("viewer-position");
  const source = document.getElementById("viewer-source");
  if (!viewer || !picture || !readout || !source) return;

  const STEP = 1.5;
  const LARGEST = 16;
  const HINT = "Point at the picture for positions; the wheel or + and - zoom, dragging or arrows move, 0 shows all.";
  const SVG = "http://www.w3.org/2000/svg";
  const view = { scale: 1, left: 0, top: 0 };
  const pointers = new Map();
  const alt = picture.alt;
  let made = null;
  let address = null;

  // --- what is added to the page --------------------------------------------------------------

  const state = element("p", { className: "hidden" });
  state.setAttribute("aria-live", "polite");
  const tools = element("div", { className: "viewer-tools" });
  tools.setAttribute("role", "group");
  tools.setAttribute("aria-label", "Zoom");
  tools.append(
    button("+", "Zoom in", () => zoomBy(STEP)),
    button("−", "Zoom out", () => zoomBy(1 / STEP)),
    button("Fit", "Show the whole picture", showAll),
    button("1:1", "One pixel of the picture to one of the screen", () => zoomTo(1)),
  );
  const overlay = drawing("svg", { class: "viewer-overlay", "aria-hidden": "true" });
  viewer.tabIndex = 0;
  viewer.setAttribute("role", "region");
  viewer.setAttribute("aria-label", "Preview; plus and minus zoom, arrows move, 0 shows all");
  tools.hidden = true;
  viewer.append(overlay, tools);
  viewer.after(state);
  picture.draggable = false;

  function element(name, fields) {
    return Object.assign(document.createElement(name), fields);
  }

  function button(text, label, act) {
    const found = element("button", { type: "button", textContent: text, title: label });
    found.setAttribute("aria-label", label);
    found.addEventListener("click", () => { act(); describe(); });
    return found;
  }

  function drawing(name, attributes, text) {
    const found = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) found.setAttribute(key, value);
    if (text !== undefined) found.textContent = text;
    return found;
  }

  // --- zoom and place -------------------------------------------------------------------------

  const width = () => viewer.clientWidth;
  const height = () => viewer.clientHeight;
  const whole = () => Math.min(width() / picture.naturalWidth, height() / picture.naturalHeight) || 1;

  const most = () => Math.max(LARGEST, LARGEST / 2 * whole());

  function place() {
    if (!made) return;
    view.scale = Math.min(Math.max(view.scale, whole()), most());
    view.left = within(view.left, width(), picture.naturalWidth * view.scale);
    view.top = within(view.top, height(), picture.naturalHeight * view.scale);
    picture.style.transform = `translate(${view.left}px, ${view.top}px) scale(${view.scale})`;
    viewer.classList.toggle("zoomed", view.scale > whole() * 1.001);
    viewer.classList.toggle("coarse", view.scale >= 2);
    viewer.dataset.scale = view.scale.toFixed(4);
    drawOverlay();
  }

  // A picture smaller than the window is in its middle; a larger one leaves no edge empty.
  function within(at, room, length) {
    return length <= room ? (room - length) / 2 : Math.min(0, Math.max(room - length, at));
  }

  function zoomTo(scale, x = width() / 2, y = height() / 2) {
    const before = view.scale;
    view.scale = Math.min(Math.max(scale, whole()), most());
    view.left = x - (x - view.left) * (view.scale / before);
    view.top = y - (y - view.top) * (view.scale / before);
    place();
  }

  function zoomBy(factor, x, y) {
    zoomTo(view.scale * factor, x, y);
  }

  function showAll() {
    view.scale = whole();
    view.left = view.top = 0;
    place();
  }

  function move(x, y) {
    view.left += x;
    view.top += y;
    place();
  }

  // --- what is under a point ------------------------------------------------------------------

  function found(x, y) {
    return made && places.pixelAt(made, (x - view.left) / view.scale, (y - view.top) / view.scale);
  }

  function words(x, y) {
    const at = found(x, y);
    if (!at) return null;
    const parts = [`x ${(at.x + 1).toFixed(1)}, y ${(at.y + 1).toFixed(1)}`];
    if (made.panels.length > 1) parts.unshift(named(at.image));
    if (at.image.sky) {
      const [ra, dec] = places.position(at.image.sky, at.x, at.y);
      parts.push(places.written(ra, dec), `${ra.toFixed(5)}, ${dec.toFixed(5)} deg`);
    }
    return parts.join(" · ");
  }

  function named(image) {
    return image.board === null ? `Extension ${image.hdu}` : `Board ${image.board}`;
  }

  function say(text) {
    readout.textContent = text || HINT;
  }

  // Tells who does not use a pointer what the middle is.
  function describe() {
    const middle = words(width() / 2, height() / 2);
    const zoom = `${(view.scale / whole()).toFixed(1)} times`;
    say(middle && `Middle: ${middle}`);
    state.textContent = middle ? `Zoomed ${zoom}. Middle: ${middle}` : `Zoomed ${zoom}.`;
  }

  // --- arrows and scale -----------------------------------------------------------------------

  function drawOverlay() {
    overlay.replaceChildren();
    overlay.setAttribute("viewBox", `0 0 ${width()} ${height()}`);
    const at = found(width() / 2, height() / 2);
    const image = at ? at.image : made && made.panels[0];
    if (!image || !image.sky) return;
    const sky = places.directions(image.sky);
    drawCompass(sky);
    drawScale((sky.scale * image.factor) / view.scale);
  }

  function drawCompass(sky) {
    const x = width() - 60;
    const y = 60;
    for (const [name, [across, up]] of [["N", sky.north], ["E", sky.east]]) {
      const end = [x + 34 * across, y - 34 * up];
      const back = [x + 26 * across, y - 26 * up];
      const side = [4 * up, 4 * across];
      line(x, y, ...end);
      line(back[0] + side[0], back[1] + side[1], ...end);
      line(back[0] - side[0], back[1] - side[1], ...end);
      write(name, x + 46 * across, y - 46 * up);
    }
  }

  function drawScale(arcseconds) {
    const [angle, text] = places.roundAngle(arcseconds * Math.min(160, width() / 3));
    const length = angle / arcseconds;
    const y = height() - 16;
    line(16, y, 16 + length, y);
    line(16, y - 5, 16, y + 5);
    line(16 + length, y - 5, 16 + length, y + 5);
    write(text, 16 + length / 2, y - 12);
  }

  function line(x1, y1, x2, y2) {
    for (const kind of ["under", "over"]) overlay.append(drawing("line", { x1, y1, x2, y2, class: kind }));
  }

  function write(text, x, y) {
    overlay.append(drawing("text", { x, y }, text));
  }

  // --- what a person does ---------------------------------------------------------------------

  function inside(event) {
    const box = viewer.getBoundingClientRect();
    return [event.clientX - box.left - viewer.clientLeft, event.clientY - box.top - viewer.clientTop];
  }

  viewer.addEventListener("wheel", (event) => {
    // A page that is scrolled goes on where there is nothing to zoom out of.
    if (!made || (event.deltaY > 0 && !viewer.classList.contains("zoomed"))) return;
    event.preventDefault();
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
    const factor = Math.exp(-Math.max(-200, Math.min(200, event.deltaY * lines)) * 0.002);
    zoomBy(factor, ...inside(event));
    say(words(...inside(event)));
  }, { passive: false });

  viewer.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || !made || event.target.closest("button")) return;
    pointers.set(event.pointerId, inside(event));
    viewer.setPointerCapture(event.pointerId);
    viewer.classList.add("moving");
  });

  viewer.addEventListener("pointermove", (event) => {
    const now = inside(event);
    const before = pointers.get(event.pointerId);
    if (before) {
      const other = [...pointers].find(([id]) => id !== event.pointerId);
      if (other) pinch(before, now, other[1]);
      else move(now[0] - before[0], now[1] - before[1]);
      pointers.set(event.pointerId, now);
    }
    say(words(...now));
  });

  function pinch(before, now, other) {
    const distance = (point) => Math.hypot(point[0] - other[0], point[1] - other[1]) || 1;
    zoomBy(distance(now) / distance(before), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
  }

  for (const name of ["pointerup", "pointercancel"]) {
    viewer.addEventListener(name, (event) => {
      pointers.delete(event.pointerId);
      if (!pointers.size) viewer.classList.remove("moving");
    });
  }

  viewer.addEventListener("pointerleave", () => say(null));

  const KEYS = {
    "+": () => zoomBy(STEP),
    "=": () => zoomBy(STEP),
    "-": () => zoomBy(1 / STEP),
    "0": showAll,
    ArrowLeft: () => move(60, 0),
    ArrowRight: () => move(-60, 0),
    ArrowUp: () => move(0, 60),
    ArrowDown: () => move(0, -60),
  };

  viewer.addEventListener("keydown", (event) => {
    const act = KEYS[event.key];
    if (!act || !made || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    act();
    describe();
  });

  new ResizeObserver(() => place()).observe(viewer);

  // --- the picture, and another one when the file was replaced --------------------------------

  function nameBoards() {
    for (const link of document.querySelectorAll("#boards a[data-hdu]")) {
      const image = made.panels.find((each) => each.hdu === Number(link.dataset.hdu));
      if (image) link.textContent = named(image);
      else if (made.panels.length > 1) link.parentElement.hidden = true;
    }
  }

  function showReason(reason) {
    const text = `There is no preview: ${reason}.`;
    viewer.classList.remove("live");
    picture.style.transform = "";
    picture.alt = text;
    tools.hidden = true;
    overlay.replaceChildren();
    say(text);
  }

  async function load() {
    const link = source.querySelector("a");
    if (!link || link.getAttribute("href") === address) return;
    const isFirst = address === null;
    address = link.getAttribute("href");
    made = null;
    if (!isFirst) picture.src = address;
    const mine = address;
    try {
      await picture.decode();
      const answer = await fetch(link.dataset.places, { credentials: "same-origin" });
      const said = await answer.json();
      if (mine !== address) return;
      if (said.reason) { showReason(said.reason); return; }
      made = said;
      tools.hidden = false;
      picture.alt = alt;
      nameBoards();
      viewer.classList.add("live");
      showAll();
      say(null);
    } catch {
      if (mine === address) say("The picture could not be loaded.");
    }
  }

  new MutationObserver(load).observe(source, { childList: true, subtree: true });
  load();
})();
