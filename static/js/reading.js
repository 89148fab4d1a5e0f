// The case: which set is shown, which criterion is marked, and the scores.
import { act } from "./reading-activity.js";
import * as answers from "./reading-answers.js";

export const form = document.getElementById("answers");
export const ranking = document.getElementById("ranking"); // null where nothing is ranked
export const letters = [...form.querySelectorAll("[data-rubric]")].map((r) => r.dataset.rubric);
export const scales = (which) => [...form.querySelectorAll(`[data-rubric="${which}"] .scale`)];
const isGiven = (scale) => "optional" in scale.dataset || Boolean(scale.querySelector("input:checked"));
export const missingIn = (which) => scales(which).filter((scale) => !isGiven(scale)).length;
const firstMissing = (which) => Math.max(0, scales(which).findIndex((scale) => !isGiven(scale)));
// Whoever speaks to the computer, or mistypes easily, can turn the keys off.
const keys = document.getElementById("keys");
export const keysAreOn = () => keys.checked;
keys.checked = localStorage.getItem("blindread:keys") !== "off";
keys.addEventListener("change", () => {
  localStorage.setItem("blindread:keys", keys.checked ? "on" : "off");
});

let letter = letters[0];
let marked = 0;
export let atRanking = false;

export function show(which) {
  const all = which === "all";
  if (!all) letter = which;
  form.dataset.view = all ? "all" : "one";
  references(false);
  for (const tab of form.querySelectorAll("[data-show]"))
    tab.setAttribute("aria-pressed", String(tab.dataset.show === which));
  for (const set of form.querySelectorAll("[data-set]"))
    set.hidden = !all && set.dataset.set !== letter;
  for (const rubric of form.querySelectorAll("[data-rubric]"))
    rubric.hidden = rubric.dataset.rubric !== letter;
  mark(firstMissing(letter));
}

function mark(index) {
  atRanking = index === "ranking";
  for (const scale of form.querySelectorAll(".scale")) scale.classList.remove("marked");
  ranking?.classList.toggle("marked", atRanking);
  if (atRanking) return;
  marked = index;
  scales(letter)[index].classList.add("marked");
}

// By keys: the focus goes along, so that Tab goes on from here, and it must be in sight.
export function go(index) {
  mark(index);
  const here = atRanking ? ranking : scales(letter)[index];
  here.focus({ preventScroll: true });
  here.scrollIntoView({ block: "nearest" });
}
export const goBy = (step) => go(Math.min(Math.max(marked + step, 0), scales(letter).length - 1));
export const goBack = () => go(marked);
export function goTo(which) {
  act("set", { set: which });
  show(which);
  goBack();
}
export const compare = () => goTo(form.dataset.view === "all" ? letter : "all");
// Where the score with this key is given.
export function goToScale(key) {
  const scale = form.querySelector(`[name="score-${key}"]`).closest(".scale");
  const which = scale.closest("[data-rubric]").dataset.rubric;
  if (which !== letter) show(which);
  go(scales(which).indexOf(scale));
}
// Into the field of a question that is answered in words; false where there is none.
export function write() {
  const field = scales(letter)[marked].querySelector("textarea");
  field?.focus();
  return Boolean(field);
}

// After a score, on to what comes next: criterion, set, ranking.
function advance() {
  const here = scales(letter);
  const next = here.findIndex((scale, i) => i > marked && !("optional" in scale.dataset));
  if (next > 0) return go(next);
  const open = letters.find(missingIn);
  if (open && open !== letter) return goTo(open);
  return ranking ? go("ranking") : goBack();
}

export function score(value) {
  const input = scales(letter)[marked].querySelector(`input[value="${value}"]`);
  if (!input) return;
  input.checked = true;
  saveScore(input);
  advance();
}

const keyOf = (input) => input.name.slice("score-".length);
const saveScore = (input) => answers.give("score", keyOf(input), input.value);

answers.kind("score", {
  body: (key, value) => {
    const [, which, criterion] = key.match(/^(\w)-(.+)$/);
    return { letter: which, criterion, value };
  },
  show: (key, value) => {
    for (const input of form.querySelectorAll(`[type=radio][name="score-${key}"]`))
      input.checked = input.value === value;
  },
  stored: [...form.querySelectorAll("[name^=was-score-]")].map((input) => [
    input.name.slice("was-score-".length),
    input.value,
  ]),
});

const toggle = document.getElementById("references-toggle");
export function references(large = !form.classList.contains("references-open")) {
  if (!toggle) return;
  form.classList.toggle("references-open", large);
  toggle.setAttribute("aria-expanded", String(large));
  if (large) act("references");
}
toggle?.addEventListener("click", () => references());

form.addEventListener("change", ({ target }) => {
  if (target.type === "radio" && target.name.startsWith("score-")) saveScore(target);
});
// The criterion that has the focus is the one that the keys score.
form.addEventListener("focusin", ({ target }) => {
  const index = scales(letter).indexOf(target.closest(".scale"));
  if (index >= 0 && (atRanking || index !== marked)) mark(index);
});
form.addEventListener("click", ({ target }) => {
  const { show: which, next } = target.closest("[data-show], [data-next]")?.dataset || {};
  if (which) {
    act("set", { set: which });
    show(which);
  } else if (next) {
    goTo(next);
    form.querySelector(`[data-set="${next}"]`).scrollIntoView({ block: "center" });
  }
  const index = scales(letter).indexOf(target.closest(".scale"));
  if (index >= 0) mark(index);
});

show(letters.find(missingIn) || letters[0]);
