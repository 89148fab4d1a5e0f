// The answers of this page, by kind and key ("score", "A-realism"): given, shown, taken back.
// A kind says what the server gets of a value, and shows a value wherever it came from.
import { act } from "./reading-activity.js";
import * as queue from "./reading-save.js";
import { text } from "./reading-text.js";

const form = document.getElementById("answers");
const kinds = new Map();
const held = new Map(); // "kind-key" → value
const past = []; // what was given here, with the value before
const changed = () => form.dispatchEvent(new Event("answered"));

// `stored`: [key, value] of what the server has.
export function kind(name, { body, show, stored = [] }) {
  const url = form.dataset[`${name}Url`];
  kinds.set(name, { url, body, show });
  for (const [key, value] of stored) held.set(`${name}-${key}`, value);
}

function store(name, key, value) {
  const { url, body } = kinds.get(name);
  const before = held.get(`${name}-${key}`);
  held.set(`${name}-${key}`, value);
  queue.give(url, { name, key, value, before }, body(key, value));
  changed();
}

export function give(name, key, value) {
  const before = held.get(`${name}-${key}`);
  if (before === value) return;
  past.push({ name, key, before });
  store(name, key, value);
}

// The answer before becomes the newest. Returns what was undone, and what is to be said of it.
export function undo() {
  const { name, key, before } = past.pop() || {};
  if (!name) return { words: text("undoNothing") };
  if (before === undefined) return { name, key, words: text("undoFirst") };
  act("undo", { key });
  kinds.get(name).show(key, before);
  store(name, key, before);
  return { name, key, words: text("undone") };
}

function show({ name, key, value }) {
  held.set(`${name}-${key}`, value);
  kinds.get(name).show(key, value);
  changed();
}

// Once all kinds are known: what still waits to be sent, and what other tabs give.
export function start() {
  queue.onGiven(({ url, answer }) => {
    if (kinds.get(answer.name)?.url === url) show(answer);
  });
  queue.onRefused(({ url, answer }) => {
    if (kinds.get(answer.name)?.url === url) show({ ...answer, value: answer.before });
  });
}
