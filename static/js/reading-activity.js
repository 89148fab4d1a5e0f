// What the reader does and for how long, for the analysis; the consent text says so. Reports are sent
// in batches, again until the server has them, and each counts once: the server knows them by number.
import { post, sequence } from "./reading-save.js";

const IDLE = 30_000; // milliseconds: what lies further from a sign of life is a break
const EVERY = 15_000;
const MOST = 100; // reports in a batch
const url = document.getElementById("main").dataset.activityUrl;
let reports = [];
let active = 0; // milliseconds, not reported yet
let last = performance.now(); // sign of life
let sending = false;

export function act(name, detail = {}) {
  reports.push({ act: name, detail, sequence: sequence() });
}

function count() {
  const now = performance.now();
  active += Math.min(now - last, IDLE);
  last = now;
}
function alive() {
  if (!document.hidden) count();
}
function sayActive() {
  if (active < 100) return;
  act("active", { seconds: Math.round(active / 100) / 10 });
  active = 0;
}
function sayViewport() {
  const { innerWidth: width, innerHeight: height, devicePixelRatio: ratio } = window;
  act("viewport", { width, height, ratio });
}

async function send() {
  if (sending || !reports.length) return;
  sending = true;
  const batch = reports.slice(0, MOST);
  try {
    const response = await post(url, { acts: JSON.stringify(batch) });
    if (response.ok || response.status === 400)
      reports = reports.filter((report) => !batch.includes(report));
  } catch {
    // They go with the next batch.
  }
  sending = false;
}
function leave() {
  count();
  sayActive();
  sending = false; // what is under way may not arrive
  send();
}

for (const sign of ["pointerdown", "pointermove", "keydown", "wheel", "scroll", "input"])
  document.addEventListener(sign, alive, { capture: true, passive: true });
document.addEventListener("visibilitychange", () => {
  if (document.hidden) leave();
  else last = performance.now();
});
window.addEventListener("pagehide", () => document.hidden || leave());
let resized;
window.addEventListener("resize", () => {
  clearTimeout(resized);
  resized = setTimeout(sayViewport, 500);
});
sayViewport();
setInterval(() => {
  sayActive();
  send();
}, EVERY);
