// Keys of the page that explains: [ is the tick before, ] the tick after.
"use strict";

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, textarea, select")) return;
  const which = { "[": "prev", "]": "next" }[event.key];
  const link = which && document.querySelector(`a[rel=${which}]`);
  if (link) link.click();
});
