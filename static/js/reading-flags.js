// Flags on images: given in the large view, withdrawn by the same button, and said in the grid.
import * as answers from "./reading-answers.js";
import { latin } from "./reading-latin.js";
import { keysAreOn } from "./reading.js";
import { open } from "./reading-viewer.js";

const dialog = document.getElementById("viewer");
const buttons = [...dialog.querySelectorAll("[data-reason]")];
const WITHDRAWN = "withdrawn";
const shots = new Map(
  [...document.querySelectorAll(".shot")].map((shot) => [shot.dataset.token, shot]),
);
const label = (reason) => buttons.find((b) => b.dataset.reason === reason)?.firstChild.textContent.trim();
let shot; // in the large view

function draw() {
  for (const button of buttons)
    button.setAttribute("aria-pressed", String(button.dataset.reason === shot?.dataset.flag));
}
function show(token, reason) {
  const flagged = shots.get(token);
  const said = flagged.querySelector(".flagged");
  flagged.dataset.flag = reason;
  said.hidden = !label(reason);
  said.textContent = said.hidden ? "" : `⚑ ${label(reason)}`;
  draw();
}
function choose(reason) {
  const value = shot.dataset.flag === reason ? WITHDRAWN : reason;
  show(shot.dataset.token, value);
  answers.give("flag", shot.dataset.token, value);
}

// True where an image has the focus: it opens, with the reasons at hand.
export function flagFocused() {
  const focused = document.activeElement.closest(".shot");
  if (!focused) return false;
  open(focused);
  buttons[0].focus();
  return true;
}

answers.kind("flag", {
  body: (token, reason) => ({ token, reason }),
  show,
  stored: [...shots].map(([token, each]) => [token, each.dataset.flag || WITHDRAWN]),
});
for (const [token, each] of shots) if (each.dataset.flag) show(token, each.dataset.flag);

dialog.addEventListener("shown", (event) => {
  shot = event.detail;
  draw();
});
dialog.addEventListener("click", (event) => {
  const button = event.target.closest("[data-reason]");
  if (button) choose(button.dataset.reason);
});
dialog.addEventListener("keydown", (event) => {
  if (!keysAreOn() || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
  if (latin(event) === "f") buttons[0].focus();
  const button = /^[1-9]$/.test(event.key) && buttons[event.key - 1];
  if (button) choose(button.dataset.reason);
});
