// The ranking: cards in order, best first, placed by a click, by keys or by dragging. The form's
// radio buttons are for browsers without scripts.
import * as answers from "./reading-answers.js";
import { ranking } from "./reading.js";
import { text } from "./reading-text.js";

const rows = [...(ranking?.querySelectorAll(".rank") || [])];
const names = new Map(rows.map((row) => [row.dataset.rank, row.firstElementChild.textContent]));
const ties = ranking?.dataset.ties === "yes";
const order = document.getElementById("order");
const rest = document.getElementById("unranked");
const template = document.getElementById("card");
export const ranked = [...names.keys()];
export const complete = () => tiers.flat().length === ranked.length;
export const ranks = () => tiers; // [["B"], ["A", "C"]]: A and C are tied
let tiers = [];
let named = 0; // tiers that keys have named since they came to the ranking
let tieNext = false;

const without = (which) => tiers.map((tier) => tier.filter((each) => each !== which));
const write = (list) => list.map((tier) => tier.join("=")).join("|");
const readTiers = (value) => (value ? value.split("|").map((tier) => tier.split("=")) : []);

function change(list) {
  tiers = list.filter((tier) => tier.length).map((tier) => tier.sort());
  draw();
  if (complete()) answers.give("ranking", "", write(tiers));
  else ranking.dispatchEvent(new Event("answered", { bubbles: true }));
}
// At a place of its own, counted before it was taken from where it stood.
function insert(which, index) {
  const list = without(which);
  list.splice(index, 0, [which]);
  change(list);
}
function join(which, index) {
  const list = without(which);
  list[index].push(which);
  change(list);
}
function move(which, step) {
  const index = tiers.findIndex((tier) => tier.includes(which));
  const alone = tiers[index].length === 1;
  if (step < 0) insert(which, alone ? Math.max(index - 1, 0) : index);
  else insert(which, alone ? index + 2 : index + 1);
}
function tie(which) {
  const index = tiers.findIndex((tier) => tier.includes(which));
  if (tiers[index].length > 1) insert(which, index + 1);
  else if (index) join(which, index - 1);
}

// By keys, from when they come to the ranking: best first, "=" for the same rank as the one before.
function begin() {
  named = 0;
  tieNext = false;
}
export function tieWithNext() {
  tieNext = ties && named > 0;
}
// True once the last is named.
export function name(which) {
  if (tiers.slice(0, named).flat().includes(which)) return false; // named a moment ago
  if (tieNext) join(which, named - 1);
  else {
    insert(which, named);
    named += 1;
  }
  tieNext = false;
  return complete() && tiers.slice(0, named).flat().length === ranked.length;
}

function card(which, rank) {
  const element = template.content.firstElementChild.cloneNode(true);
  element.dataset.card = which;
  const [label, ...buttons] = element.children;
  label.textContent = names.get(which);
  label.setAttribute("aria-label", text(rank ? "cardAt" : "cardNext", { name: names.get(which), rank }));
  for (const button of buttons) {
    button.setAttribute("aria-label", text(button.dataset.label, { name: names.get(which) }));
    if (!rank || (button.dataset.do === "tie" && !ties)) button.remove();
  }
  return element;
}

function draw() {
  const focused = document.activeElement.closest?.("[data-card]")?.dataset.card;
  const act = document.activeElement.dataset.do;
  let rank = 1;
  order.replaceChildren(
    ...tiers.map((tier) => {
      const row = document.createElement("li");
      row.className = "tier";
      row.dataset.place = rank;
      row.append(...tier.map((which) => card(which, rank)));
      rank += tier.length;
      return row;
    }),
  );
  const placed = tiers.flat();
  rest.replaceChildren(...ranked.filter((which) => !placed.includes(which)).map((which) => card(which)));
  if (focused) {
    const again = ranking.querySelector(`[data-card="${focused}"]`);
    (again.querySelector(`[data-do="${act}"]`) || again.firstElementChild).focus();
  }
}

function click(button) {
  const which = button.closest("[data-card]").dataset.card;
  if (button.dataset.do === "better") move(which, -1);
  else if (button.dataset.do === "worse") move(which, 1);
  else if (button.dataset.do === "tie") tie(which);
  else if (!tiers.flat().includes(which)) insert(which, tiers.length);
}

function keydown(event) {
  const which = event.target.closest("[data-card]")?.dataset.card;
  const step = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
  if (!which || !step || !tiers.flat().includes(which)) return;
  event.preventDefault();
  move(which, step);
}

// Dragging

let drag;
let dragged = false;
// Before, with or after the row that is nearest: {index, tied}.
function target(x, y) {
  const far = (box) =>
    Math.hypot(Math.max(box.left - x, 0, x - box.right), 4 * Math.max(box.top - y, 0, y - box.bottom));
  const boxes = [...order.children].map((row) => row.getBoundingClientRect());
  if (!boxes.length) return { index: 0 };
  const index = boxes.reduce((best, box, i) => (far(box) < far(boxes[best]) ? i : best), 0);
  const place = (x - boxes[index].left) / boxes[index].width;
  if (ties && place > 0.3 && place < 0.7) return { index, tied: true };
  return { index: place < 0.5 ? index : index + 1 };
}
function hint(spot) {
  for (const row of order.children) row.classList.remove("before", "after", "with");
  if (!spot || !order.children.length) return;
  if (spot.tied) order.children[spot.index].classList.add("with");
  else if (spot.index < order.children.length) order.children[spot.index].classList.add("before");
  else order.lastElementChild.classList.add("after");
}
function pointerdown(event) {
  const card = event.target.closest("[data-card]");
  if (!card || event.button || event.target.dataset.do) return;
  drag = { card, x: event.clientX, y: event.clientY, pointer: event.pointerId };
}
function pointermove(event) {
  if (!drag || event.pointerId !== drag.pointer) return;
  const [dx, dy] = [event.clientX - drag.x, event.clientY - drag.y];
  if (!drag.moving && Math.hypot(dx, dy) < 6) return;
  if (!drag.moving) drag.card.setPointerCapture(drag.pointer);
  drag.moving = true;
  drag.card.classList.add("dragged");
  drag.card.style.transform = `translate(${dx}px, ${dy}px)`;
  hint(target(event.clientX, event.clientY));
}
function pointerup(event) {
  if (!drag || event.pointerId !== drag.pointer) return;
  const { card, moving } = drag;
  stop();
  if (!moving) return;
  dragged = true; // the click that follows is none
  setTimeout(() => { dragged = false; });
  const spot = target(event.clientX, event.clientY);
  if (spot.tied) join(card.dataset.card, spot.index);
  else insert(card.dataset.card, spot.index);
}
function stop() {
  drag?.card.classList.remove("dragged");
  drag?.card.style.removeProperty("transform");
  drag = undefined;
  hint();
}

if (ranking) {
  answers.kind("ranking", {
    body: (_, value) => ({ tiers: value }),
    show: (_, value) => {
      tiers = readTiers(value);
      draw();
    },
    stored: order.dataset.tiers ? [["", order.dataset.tiers]] : [],
  });
  tiers = readTiers(order.dataset.tiers);
  draw();
  ranking.addEventListener("click", (event) => {
    const button = event.target.closest("[data-card] button");
    if (button && !dragged) click(button);
  });
  ranking.addEventListener("focus", begin);
  ranking.addEventListener("keydown", keydown);
  ranking.addEventListener("pointerdown", pointerdown);
  document.addEventListener("pointermove", pointermove);
  document.addEventListener("pointerup", pointerup);
  document.addEventListener("pointercancel", stop);
  document.addEventListener("keydown", (event) => event.key === "Escape" && stop());
}
