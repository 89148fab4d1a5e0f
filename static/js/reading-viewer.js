// The large view: one image after another of a set, with a reference beside it at the same scale and
// place.
import { act } from "./reading-activity.js";
import { latin } from "./reading-latin.js";
import { keysAreOn } from "./reading.js";
import { text } from "./reading-text.js";
import { lens } from "./reading-zoom.js";

const dialog = document.getElementById("viewer");
const $ = (id) => document.getElementById(id);
const shots = (group) => [...document.querySelectorAll(`.shot[data-group="${group}"] img`)];
const references = shots("references");
const PAN = 64; // pixels for a key
let group = [];
let at = 0;
let reference = 0;
let looking = false; // the large view is open, at the scale it begins with
let reported;
const view = lens([...dialog.querySelectorAll(".pane")], Number(dialog.dataset.side), sayScale);

function sayScale(scale) {
  const said = scale < 1 ? `1/${Math.round(1 / scale)}` : `${+scale.toFixed(1)}×`;
  $("viewer-scale").textContent = text("scale", { scale: said });
  const chosen = Number.isInteger(scale) || scale < 1; // not on the way, while fingers pinch
  if (looking && chosen && scale !== reported) act("zoom", { scale });
  reported = scale;
}

function draw() {
  const caption = (list, index) =>
    list.length > 1 ? text("imageOf", { name: list[index].alt, n: list.length }) : list[index].alt;
  for (const [which, list, index] of [["image", group, at], ["reference", references, reference]]) {
    if (!list.length) continue;
    $(`viewer-${which}`).src = list[index].src;
    $(`viewer-${which}`).alt = list[index].alt;
    $(`viewer-${which}-caption`).textContent = caption(list, index);
  }
  dialog.dispatchEvent(new CustomEvent("shown", { detail: group[at].closest(".shot") }));
}

const around = (n, list) => (n + list.length) % (list.length || 1);
function look(index) {
  at = index;
  draw();
  act("look", { set: group[at].closest(".shot").dataset.group, image: at + 1 });
}
function turnReference(step) {
  reference = around(reference + step, references);
  draw();
}
function beside() {
  if (!references.length) return;
  const alone = dialog.classList.toggle("alone");
  dialog.querySelector("[data-view=beside]").setAttribute("aria-pressed", String(!alone));
  view.draw();
}

const moves = {
  next: () => look(around(at + 1, group)),
  previous: () => look(around(at - 1, group)),
  "next-reference": () => turnReference(1),
  "previous-reference": () => turnReference(-1),
  larger: () => view.step(1),
  smaller: () => view.step(-1),
  fit: view.fit,
  beside,
  left: () => view.pan(PAN, 0),
  right: () => view.pan(-PAN, 0),
  up: () => view.pan(0, PAN),
  down: () => view.pan(0, -PAN),
};
const keys = {
  ArrowRight: "next", ArrowLeft: "previous", r: "next-reference", R: "previous-reference",
  "+": "larger", "=": "larger", "-": "smaller", 0: "fit", b: "beside",
};
const keysWithShift = { ArrowLeft: "left", ArrowRight: "right", ArrowUp: "up", ArrowDown: "down" };

export function open(shot) {
  group = shots(shot.dataset.group);
  look(group.indexOf(shot.querySelector("img")));
  dialog.showModal();
  view.fit();
  looking = true;
}

document.addEventListener("click", (event) => {
  const shot = event.target.closest(".shot");
  if (shot) open(shot);
});
dialog.addEventListener("click", (event) => {
  const button = event.target.closest("[data-view]");
  if (button) moves[button.dataset.view]();
});
dialog.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const key = latin(event);
  if (key.length === 1 && !keysAreOn()) return;
  const name = (event.shiftKey && keysWithShift[key]) || keys[key];
  if (!name) return;
  event.preventDefault();
  moves[name]();
});
// Back where the reader went on to.
dialog.addEventListener("close", () => {
  looking = false;
  group[at].closest(".shot").focus();
});
window.addEventListener("resize", () => dialog.open && view.draw());
