// Keeps a page up to date, and lets keys do what links do. Everything works without it.
"use strict";

const QUIET = 1500; // milliseconds without a further event, after which the page is read anew
const LONGEST = 5000; // milliseconds after which it is read anew in any case
const OFTEN = 15000; // milliseconds between two readings if there is no event
const PATIENCE = 8000; // milliseconds that the server may take for an answer
const AGAIN = 5000; // milliseconds after which a stream that was refused is asked for again

const place = document.querySelector(".live");
const address = document.body.dataset.events;
let events = null;
let isStopped = false;
let waits = false;
let since = 0;
let timer = null;

function show(state, text) {
  place.hidden = false;
  place.dataset.state = state;
  place.querySelector("[data-clock]").textContent = text;
  place.querySelector("button").textContent = isStopped ? "Go on" : "Stop";
}

function clock() {
  return new Date().toISOString().slice(11, 19) + "Z";
}

function showBehind() {
  if (place.dataset.state !== "behind") show("behind", "behind since " + clock());
}

// A part under the pointer, with the focus or with a selection is not replaced, so that nothing
// moves while a person uses it.
function isInUse(part) {
  const isSelected = part.querySelector("input[type=checkbox]:checked") !== null;
  return isSelected || part.matches(":hover") || part.contains(document.activeElement);
}

async function read() {
  const answer = await fetch(location.href, {
    headers: { Accept: "text/html" },
    signal: AbortSignal.timeout(PATIENCE),
  });
  if (answer.redirected || !answer.ok) throw new Error("this is not the page");
  return new DOMParser().parseFromString(await answer.text(), "text/html");
}

async function refresh() {
  timer = null;
  since = 0;
  let fresh;
  try {
    fresh = await read();
  } catch {
    if (!isAtRest()) showBehind();
    return;
  }
  if (isAtRest()) return;
  waits = false;
  for (const part of document.querySelectorAll("[data-live]")) {
    const other = fresh.getElementById(part.id);
    if (!other || other.innerHTML === part.innerHTML) continue;
    if (isInUse(part)) waits = true;
    else part.innerHTML = other.innerHTML;
  }
  show(waits ? "waits" : "on", waits ? "changes wait under the pointer" : "live " + clock());
}

function changed() {
  if (isAtRest()) return;
  const now = Date.now();
  if (!since) since = now;
  clearTimeout(timer);
  timer = setTimeout(refresh, Math.max(0, Math.min(QUIET, since + LONGEST - now)));
}

function isAtRest() {
  return isStopped || document.hidden;
}

// A stream holds one of the few connections that a browser has for a server, so a page that is
// hidden or stopped has none.
function follow() {
  if (events) events.close();
  events = null;
  if (isAtRest()) {
    clearTimeout(timer);
    since = 0;
    show("rest", isStopped ? "stopped at " + clock() : "at rest");
    return;
  }
  events = new EventSource(address);
  events.addEventListener("open", changed);
  events.addEventListener("transition", changed);
  events.addEventListener("error", (event) => {
    showBehind();
    if (event.target.readyState === EventSource.CLOSED) setTimeout(resume, AGAIN, event.target);
  });
}

function resume(refused) {
  if (events === refused) follow();
}

function stopOrGoOn() {
  isStopped = !isStopped;
  follow();
}

function begin() {
  if (!document.querySelector("[data-live]")) return;
  show("on", "live " + clock());
  follow();
  setInterval(changed, OFTEN);
  document.addEventListener("visibilitychange", follow);
  document.addEventListener("pointerout", () => waits && changed());
  document.addEventListener("focusout", () => waits && changed());
  place.querySelector("button").addEventListener("click", stopOrGoOn);
}

// Keys. No key changes anything: a page to which a key leads asks first.
const PAGES = { o: "overview", p: "pilots", e: "explain", c: "ces" };
const keys = document.getElementById("keys");
let isGoing = false;

function areKeysOn() {
  return localStorage.getItem("keys") !== "off";
}

function goThroughRows(step) {
  const links = [...document.querySelectorAll("tbody th[scope=row] a, tbody td:first-child a")];
  const at = links.indexOf(document.activeElement);
  const next = at < 0 ? 0 : Math.min(Math.max(at + step, 0), links.length - 1);
  if (links.length) links[next].focus();
}

function select() {
  const row = document.activeElement.closest("tr");
  const box = row && row.querySelector("input[type=checkbox]");
  if (box) box.checked = !box.checked;
}

function showKeys() {
  keys.open = !keys.open;
  if (keys.open) keys.querySelector("summary").focus();
}

function go(selector) {
  const link = document.querySelector(selector);
  if (link) link.click();
}

const KEYS = {
  "/": () => document.getElementById("jump").focus(),
  "?": showKeys,
  ".": () => place.hidden || stopOrGoOn(),
  "[": () => go("a[rel=prev]"),
  "]": () => go("a[rel=next]"),
  a: () => go("#batch a.danger"),
  g: () => (isGoing = true),
  j: () => goThroughRows(1),
  k: () => goThroughRows(-1),
  x: select,
};

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || !areKeysOn()) return;
  if (event.target.closest("input:not([type=checkbox]), textarea, select")) return;
  const page = isGoing && PAGES[event.key];
  isGoing = false;
  if (page) go(`a[data-page=${page}]`);
  else if (Object.hasOwn(KEYS, event.key)) KEYS[event.key]();
  else return;
  event.preventDefault();
}

function offerKeys() {
  const box = keys.querySelector("input");
  keys.hidden = false;
  box.checked = areKeysOn();
  box.addEventListener("change", () => localStorage.setItem("keys", box.checked ? "on" : "off"));
  document.addEventListener("keydown", onKey);
}

function foldMenu() {
  const menu = document.querySelector("details.menu");
  if (matchMedia("(max-width: 50rem)").matches) menu.open = false;
}

foldMenu();
offerKeys();
begin();
