// Answers are queued in the browser, sent in order, and dropped only when the server has them.
// Each waits under a key of its own in the reader's name: so it survives a reload or another case,
// two tabs can't overwrite each other's queue, and nothing goes out under somebody else's name.
import { text } from "./reading-text.js";

const page = document.getElementById("main");
const status = document.getElementById("status");
const signIn = document.getElementById("sign-in");
const prefix = `blindread:${page.dataset.reader}:`;
const clock = Number(page.dataset.serverTime) - Date.now();
const memory = new Map(); // where the browser's storage is full
let last = Number(page.dataset.sequence);
let sending = false;
let refusal = "";
let stale = false; // what this page shows isn't the newest
let wait = 1000;
let timer;
let refused = () => {};

// All that waits, oldest first.
const read = () =>
  [
    ...memory,
    ...Object.entries(localStorage)
      .filter(([key]) => key.startsWith(prefix))
      .map(([key, json]) => [key, JSON.parse(json)]),
  ]
    .map(([key, item]) => ({ key, ...item }))
    .sort((a, b) => a.body.sequence - b.body.sequence);

function keep(key, item) {
  try {
    localStorage.setItem(key, JSON.stringify(item));
  } catch {
    memory.set(key, item);
  }
}

function drop(key) {
  memory.delete(key);
  localStorage.removeItem(key);
}

function say(words, kind) {
  status.textContent = words;
  status.dataset.kind = kind;
  signIn.hidden = true;
}

// The cookie is newer than the form after somebody signed in again in another tab.
export const token = () =>
  (document.cookie.match(/(?:^|; )csrftoken=([^;]*)/) || [])[1] ||
  document.querySelector("[name=csrfmiddlewaretoken]").value;

// The server's time in milliseconds, and always rising.
export function sequence() {
  last = Math.max(Date.now() + clock, last + 1);
  return last;
}

export const post = (url, body) =>
  fetch(url, {
    method: "POST",
    body: new URLSearchParams({ ...body, reader: page.dataset.reader }),
    headers: { "X-CSRFToken": token() },
    redirect: "manual",
    keepalive: true,
    signal: AbortSignal.timeout(15000),
  });

// `answer` says what it is to the page that shows it; `data` is what the server gets.
export function give(url, answer, data) {
  const body = { ...data, sequence: String(sequence()) };
  keep(`${prefix}${body.sequence}:${Math.random()}`, { url, answer, body });
  refusal = "";
  send();
}

// What the server makes of an answer: {saved, current} or, looked at and refused, {error}; else an error
// is thrown and the answer stays: a sign-in page of a guest network says 200, too.
async function deliver({ url, body }) {
  const response = await post(url, body);
  if (response.type === "opaqueredirect" || [403, 404, 409].includes(response.status))
    return { stranger: response.status };
  const answer = await response.json();
  if (answer.saved || (response.status === 400 && answer.error)) return answer;
  throw new Error(response.statusText);
}

async function send() {
  if (sending) return;
  clearTimeout(timer);
  sending = true;
  try {
    for (let queue = read(); queue.length; queue = read()) {
      say(text("saving"), "busy");
      const answer = await deliver(queue[0]);
      if ("stranger" in answer) {
        strange(answer.stranger, queue.length);
        return later();
      }
      drop(queue[0].key);
      wait = 1000;
      stale ||= answer.current === false;
      if (answer.error) {
        refusal = answer.error;
        refused(queue[0]);
      }
    }
    if (stale) location.reload();
    else if (refusal) say(text("refused", { why: refusal }), "bad");
    else if (status.textContent) say(text("saved"), "good");
  } catch {
    say(text("offline", { n: read().length }), "bad");
    later();
  } finally {
    sending = false;
  }
}

function strange(code, n) {
  const why = { 404: "closed", 409: "somebody" };
  say(text("stranger", { why: text(why[code] || "signedOut"), n }), "bad");
  signIn.hidden = false;
}

function later(delay = wait) {
  clearTimeout(timer);
  timer = setTimeout(send, delay);
  wait = Math.min(wait * 2, 15000);
}

function now() {
  wait = 1000;
  send();
}

export const waiting = () => sending || read().length > 0;

// True once the server has everything, false if it can't be reached.
export async function settled() {
  send();
  while (sending) await new Promise((done) => setTimeout(done, 20));
  return !waiting();
}

// Calls for each answer that waits, and as other tabs give more.
export function onGiven(action) {
  for (const item of read()) action(item);
  window.addEventListener("storage", ({ key, newValue }) => {
    if (!key?.startsWith(prefix) || !newValue) return;
    const item = JSON.parse(newValue);
    last = Math.max(last, Number(item.body.sequence)); // what is given here is newer
    action(item);
  });
}

export function onRefused(action) {
  refused = action;
}

// What another tab gives isn't saved before that tab, or this one, has sent it.
window.addEventListener("storage", ({ key }) => {
  if (!key?.startsWith(prefix) || sending) return;
  if (read().length) {
    say(text("saving"), "busy");
    later(2000);
  } else now();
});
// Out of the browser's memory (Back) a page is as it was when it was left.
window.addEventListener("pageshow", (event) => event.persisted && location.reload());
window.addEventListener("online", now);
document.addEventListener("visibilitychange", () => document.hidden || now());
send();
