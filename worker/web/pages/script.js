"use strict";

const form = document.getElementById("link");
const field = document.getElementById("secret");
const button = form.querySelector("button");
const status = document.getElementById("status");
const failure = document.getElementById("error");

/** Use a link, and go on to the console when the person is signed in. */
async function signIn(secret) {
  button.disabled = true;
  failure.textContent = "";
  status.textContent = "Signing in …";
  try {
    const answer = await fetch(form.dataset.use, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ secret }),
    });
    if (answer.ok) {
      location.replace(form.dataset.next);
      return;
    }
    const problem = await answer.json();
    failure.textContent = (problem.details ?? []).join(": ") || problem.detail;
  } catch {
    failure.textContent = "The server cannot be reached.";
  }
  status.textContent = "";
  button.disabled = false;
  field.focus();
}

/** Use the secret in the address, and take it out of the address and the history. */
function useAddress() {
  const secret = location.hash.slice(1);
  if (secret) {
    history.replaceState(null, "", location.pathname);
    signIn(secret);
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const secret = field.value.trim();
  field.value = "";
  signIn(secret.slice(secret.indexOf("#") + 1));
});
window.addEventListener("hashchange", useAddress);
useAddress();
