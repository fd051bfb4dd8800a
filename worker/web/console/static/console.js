// Keeps a page up to date. Everything works without it, by reloading.
"use strict";

const QUIET = 1500; // milliseconds without a further event, after which the page is read anew
const LONGEST = 5000; // milliseconds after which it is read anew in any case
const SILENCE = 40000; // milliseconds without a sign of the server, after which it is behind

const place = document.querySelector(".live");
let waiting = 0;
let since = 0;
let timer = null;
let heard = Date.now();

function show(state, text) {
  if (!place) return;
  place.hidden = false;
  place.dataset.state = state;
  place.querySelector("[data-clock]").textContent = text;
}

function clock() {
  return new Date().toISOString().slice(11, 19) + "Z";
}

// A part under the pointer, with the focus or with a selection stays as it is: nothing moves
// under a hand.
function isInUse(part) {
  const isSelected = part.querySelector("input[type=checkbox]:checked") !== null;
  return isSelected || part.matches(":hover") || part.contains(document.activeElement);
}

async function refresh() {
  timer = null;
  since = 0;
  if (document.hidden) return;
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (answer.redirected || !answer.ok) {
    show("behind", "behind: reload");
    return;
  }
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  let left = 0;
  for (const part of document.querySelectorAll("[data-live]")) {
    const other = fresh.getElementById(part.id);
    if (!other || other.innerHTML === part.innerHTML) continue;
    if (isInUse(part)) left += 1;
    else part.innerHTML = other.innerHTML;
  }
  waiting = left;
  show(left ? "waits" : "on", left ? "changes wait under the pointer" : "live " + clock());
}

function changed() {
  heard = Date.now();
  if (!since) since = heard;
  clearTimeout(timer);
  timer = setTimeout(refresh, Math.max(0, Math.min(QUIET, since + LONGEST - heard)));
}

function follow() {
  const address = document.body.dataset.events;
  if (!address || !document.querySelector("[data-live]")) return;
  const events = new EventSource(address);
  events.addEventListener("open", () => show("on", "live " + clock()));
  events.addEventListener("error", () => show("behind", "behind since " + clock()));
  events.addEventListener("transition", changed);
  setInterval(() => {
    if (document.hidden) show("rest", "at rest");
    else changed();
  }, 15000);
  document.addEventListener("visibilitychange", () => document.hidden || changed());
  document.addEventListener("pointerout", () => waiting && changed());
}

// Keys: / goes to the search, j and k go through rows, Enter opens one, ? shows the keys.
function onKey(event) {
  const target = event.target;
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (target.closest("input, textarea, select")) return;
  if (event.key === "/") {
    event.preventDefault();
    document.getElementById("jump").focus();
    return;
  }
  const links = [...document.querySelectorAll("tbody th[scope=row] a, tbody td:first-child a")];
  const at = links.indexOf(document.activeElement);
  if (event.key === "j" && links.length) links[Math.min(at + 1, links.length - 1)].focus();
  if (event.key === "k" && links.length) links[Math.max(at - 1, 0)].focus();
}

function foldMenu() {
  const menu = document.querySelector("details.menu");
  if (menu && matchMedia("(max-width: 50rem)").matches) menu.open = false;
}

document.addEventListener("keydown", onKey);
foldMenu();
follow();
