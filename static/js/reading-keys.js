// The keys of a case, undo, and going on.
import { act } from "./reading-activity.js";
import * as answers from "./reading-answers.js";
import { flagFocused } from "./reading-flags.js";
import { latin } from "./reading-latin.js";
import { say } from "./reading-note.js";
import * as order from "./reading-ranking.js";
import * as queue from "./reading-save.js";
import { text } from "./reading-text.js";
import * as rating from "./reading.js";

const { form, letters, ranking } = rating;

function undo() {
  const { words, name, key } = answers.undo();
  if (name === "score") rating.goToScale(key);
  if (name === "text" || name === "comment") form.elements[`${name}-${key}`].focus();
  say(words);
}

function rank(which) {
  if (order.name(which)) rating.goBack();
}

const others = {
  ArrowDown: () => rating.goBy(1),
  ArrowUp: () => rating.goBy(-1),
  Enter: () => rating.write(),
  v: () => letters.length > 1 && rating.compare(),
  k: () => ranking && rating.go("ranking"),
  r: () => rating.references(),
  u: undo,
  n: () => form.requestSubmit(),
  p: () => document.getElementById("previous-case")?.click(),
  "?": () => document.querySelector("[data-dialog=guide]").click(),
};

// Whether the key meant something.
function pressed(key) {
  const upper = key.toUpperCase();
  const inRanking = rating.atRanking || ranking?.contains(document.activeElement);
  const score = { x: "10", "-": "na" }[key] || (/^[0-9]$/.test(key) && key);
  if (score) {
    if (!inRanking) rating.score(score);
  } else if (key === "f" && flagFocused()) return true; // else it may be set F
  else if (rating.atRanking && order.ranked.includes(upper)) rank(upper);
  else if (rating.atRanking && key === "=") order.tieWithNext();
  else if (letters.length > 1 && letters.includes(upper)) rating.goTo(upper);
  else if (others[key]) return others[key]() !== false;
  else return false;
  return true;
}

document.addEventListener("keydown", (event) => {
  const key = latin(event);
  const { target } = event;
  if (!rating.keysAreOn() || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  if (document.querySelector("dialog[open], .too-narrow")) return;
  if (target.matches("textarea, select")) return;
  if (key === "Enter" && target.matches("a, button, input")) return; // what has the focus takes it
  // A key held down is one answer, not the same one for every criterion.
  const character = key.length === 1;
  if ((event.repeat && character) || pressed(character ? key.toLowerCase() : key))
    event.preventDefault();
});
document.getElementById("undo").addEventListener("click", undo);

// What the form posts is for browsers without scripts: here each answer is sent as it is given, and
// what a tab still shows may be older than what is stored.
form.addEventListener("formdata", ({ formData }) => {
  for (const name of [...formData.keys()])
    if (/^(was-)?(score|text|rank|comment|flag)-/.test(name)) formData.delete(name);
  formData.set("csrfmiddlewaretoken", queue.token());
});

document.querySelector("[data-dialog=guide]").addEventListener("click", () => act("guide"));

let leaving = false;
form.addEventListener("submit", async (event) => {
  if (!queue.waiting()) return;
  event.preventDefault();
  if (leaving) return;
  leaving = true;
  if (await queue.settled()) form.requestSubmit();
  else say(text("wait"));
  leaving = false;
});
