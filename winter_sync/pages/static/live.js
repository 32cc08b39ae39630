// Keeps an open page up to date: when the server says that something changed, the page is fetched
// again and the parts marked with data-live are replaced. Without this script it is a page to reload.
"use strict";

(() => {
  const state = document.getElementById("live-state");
  const leastWait = 2000;
  let timer = null;
  let lastUpdate = 0;
  let source = null;
  let wasCut = false;

  function say(text) {
    if (state && state.textContent !== text) state.textContent = text;
  }

  function replaceParts(fresh) {
    for (const part of document.querySelectorAll("[data-live]")) {
      const found = fresh.getElementById(part.id);
      if (!found) continue;
      if (part.contains(document.activeElement)) continue;
      if (part.innerHTML === found.innerHTML) continue;
      const open = new Set([...part.querySelectorAll("details[open]")].map((each) => each.id));
      const places = [...part.querySelectorAll(".scroll")].map((each) => each.scrollLeft);
      part.replaceChildren(...found.childNodes);
      for (const each of part.querySelectorAll("details")) if (open.has(each.id)) each.open = true;
      part.querySelectorAll(".scroll").forEach((each, at) => { each.scrollLeft = places[at] || 0; });
    }
  }

  async function update() {
    timer = null;
    lastUpdate = Date.now();
    try {
      const answer = await fetch(location.href, { credentials: "same-origin", cache: "no-store" });
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (document.getElementById("fault") && answer.ok) { location.reload(); return; }
      if (!answer.ok && answer.status !== 404) { say("The mirror cannot be shown just now; trying again."); return; }
      replaceParts(fresh);
      say("This page follows the mirror; last change shown at " + new Date().toISOString().slice(11, 19) + " UTC.");
    } catch (failed) {
      say("The server does not answer; trying again.");
    }
  }

  function updateSoon() {
    if (timer !== null || document.hidden) return;
    timer = setTimeout(update, Math.max(0, lastUpdate + leastWait - Date.now()));
  }

  function listen() {
    source = new EventSource("/live");
    source.addEventListener("open", () => {
      if (wasCut || lastUpdate !== 0) updateSoon();
      else say("This page follows the mirror.");
      wasCut = false;
    });
    source.addEventListener("change", updateSoon);
    source.addEventListener("error", () => {
      wasCut = true;
      say("The server does not answer; trying again.");
      if (source.readyState === EventSource.CLOSED) {
        source = null;
        setTimeout(() => { if (source === null && !document.hidden) listen(); }, 30000);
      }
    });
  }

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      if (source) { source.close(); source = null; }
    } else if (!source) {
      lastUpdate = lastUpdate || 1;
      listen();
    }
  });
  if (!document.hidden) listen();
})();
