// What is missing, and where ranking and scores contradict each other: said, never a block.
import { form, letters, missingIn, ranking, scales } from "./reading.js";
import * as order from "./reading-ranking.js";
import { text } from "./reading-text.js";

const note = document.getElementById("note");
const unranked = () => ranking && !order.complete();

export function say(words) {
  note.textContent = words;
}

function lacking() {
  const parts = letters
    .map((letter) => ({ letter, n: missingIn(letter) }))
    .filter(({ n }) => n)
    .map((each) => (letters.length > 1 ? text("missingInSet", each) : each.n));
  if (unranked()) parts.push(text("missingRanking"));
  return parts.length ? text("missing", { list: parts.join(", ") }) : "";
}

// Of all scores of a set, each from 0 to 10 of its own range.
const mean = (letter) => {
  const values = scales(letter)
    .map((scale) => [...scale.querySelectorAll("input[type=radio]:not([value=na])")])
    .filter((inputs) => inputs.some((input) => input.checked))
    .map((inputs) => {
      const range = inputs.map((input) => Number(input.value));
      const value = Number(inputs.find((input) => input.checked).value);
      return (10 * (value - Math.min(...range))) / (Math.max(...range) - Math.min(...range));
    });
  return values.reduce((a, b) => a + b, 0) / values.length;
};
function contradiction() {
  if (!ranking || unranked() || letters.some(missingIn)) return "";
  const tiers = order.ranks();
  for (const [i, tier] of tiers.entries())
    for (const better of tiers.slice(0, i).flat())
      for (const worse of tier)
        if (mean(worse) > mean(better) + 1) return text("contradiction", { better, worse });
  return "";
}

function tally() {
  for (const letter of letters) {
    const n = missingIn(letter);
    const count = form.querySelector(`[data-count="${letter}"]`);
    if (!count) continue; // a single set has no tab
    count.textContent = n ? text("count", { n }) : text("complete");
    count.dataset.done = String(n === 0);
  }
  for (const scale of form.querySelectorAll(".scale.missing"))
    if (scale.querySelector("input:checked")) scale.classList.remove("missing");
  if (!unranked()) ranking?.classList.remove("missing");
  say(contradiction() || lacking());
}

form.addEventListener("answered", tally);
tally();
