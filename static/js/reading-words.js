// What is answered in words, and comments: saved after a pause in typing, and when it is left.
import * as answers from "./reading-answers.js";

const PAUSE = 1000; // milliseconds
const form = document.getElementById("answers");
const fields = [...form.querySelectorAll("textarea.words")];
const timers = new Map();

const parts = (field) => field.name.match(/^(text|comment)-(.+)$/).slice(1);
const written = (field) => field.value.replaceAll("\r\n", "\n").trim();
function save(field) {
  clearTimeout(timers.get(field));
  answers.give(...parts(field), written(field));
}
const saveAll = () => fields.forEach(save);

for (const name of ["text", "comment"])
  answers.kind(name, {
    body: (key, text) => {
      const [letter, criterion] = key.match(/^(\w)-?(.*)$/).slice(1);
      return criterion ? { letter, criterion, text } : { letter, text };
    },
    show: (key, text) => {
      const field = form.elements[`${name}-${key}`];
      if (written(field) !== text) field.value = text;
    },
    stored: fields
      .map((field) => [field, ...parts(field)])
      .filter(([, kind]) => kind === name)
      .map(([field, kind, key]) => [key, form.elements[`was-${kind}-${key}`].value]),
  });

form.addEventListener("input", ({ target }) => {
  if (!fields.includes(target)) return;
  clearTimeout(timers.get(target));
  timers.set(target, setTimeout(save, PAUSE, target));
});
form.addEventListener("focusout", ({ target }) => fields.includes(target) && save(target));
form.addEventListener("submit", saveAll, { capture: true }); // before it is asked what still waits
window.addEventListener("pagehide", saveAll);
document.addEventListener("visibilitychange", () => document.hidden && saveAll());
