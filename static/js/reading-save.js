// Answers are queued in the browser, sent in order, and dropped only when the server has them.
// Each waits under a key of its own in the reader's name: so it survives a reload or another case,
// two tabs can't overwrite each other's queue, and nothing goes out under somebody else's name.
const Answers = (() => {
  const form = document.getElementById("answers");
  const status = document.getElementById("status");
  const signIn = document.getElementById("sign-in");
  const prefix = `blindread:${form.dataset.reader}:`;
  const clock = Number(form.dataset.serverTime) - Date.now();
  let last = Number(form.dataset.sequence);
  let sending = false;
  let refusal = "";
  let stale = false; // what this page shows isn't the newest
  let wait = 1000;
  let timer;
  let refused = () => {};

  // All that waits, oldest first.
  const read = () =>
    Object.keys(localStorage)
      .filter((key) => key.startsWith(prefix))
      .map((key) => ({ key, ...JSON.parse(localStorage.getItem(key)) }))
      .sort((a, b) => a.body.sequence - b.body.sequence);
  const say = (text, kind) => {
    status.textContent = text;
    status.dataset.kind = kind;
    signIn.hidden = true;
  };
  // The cookie is newer than the form after somebody signed in again in another tab.
  const token = () =>
    (document.cookie.match(/(?:^|; )csrftoken=([^;]*)/) || [])[1] ||
    form.elements.csrfmiddlewaretoken.value;
  const count = (n) => (n === 1 ? "1 answer waits" : `${n} answers wait`);

  function give(url, data) {
    last = Math.max(Date.now() + clock, last + 1);
    const body = { ...data, reader: form.dataset.reader, sequence: String(last) };
    localStorage.setItem(`${prefix}${last}:${Math.random()}`, JSON.stringify({ url, body }));
    refusal = "";
    send();
  }

  // What the server makes of an answer: {saved, current} or, looked at and refused, {error}; else an error
  // is thrown and the answer stays: a sign-in page of a guest network says 200, too.
  async function post({ url, body }) {
    const response = await fetch(url, {
      method: "POST",
      body: new URLSearchParams(body),
      headers: { "X-CSRFToken": token() },
      redirect: "manual",
      keepalive: true,
      signal: AbortSignal.timeout(15000),
    });
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
        say("Saving…", "busy");
        const answer = await post(queue[0]);
        if ("stranger" in answer) {
          strange(answer.stranger, queue.length);
          return later();
        }
        localStorage.removeItem(queue[0].key);
        wait = 1000;
        stale ||= answer.current === false;
        if (answer.error) {
          refusal = answer.error;
          refused(queue[0]);
        }
      }
      if (stale) location.reload();
      else if (refusal) say(`Not saved: ${refusal}`, "bad");
      else if (status.textContent) say("Saved ✓", "good");
    } catch {
      say(`Offline: ${count(read().length)} here and will be sent`, "bad");
      later();
    } finally {
      sending = false;
    }
  }

  function strange(code, n) {
    const why = {
      404: "This study is closed, or somebody else is signed in",
      409: "Somebody else is signed in",
    };
    say(`${why[code] || "You were signed out"}: ${count(n)} here. Sign in again and come back:`, "bad");
    signIn.hidden = false;
  }

  function later() {
    timer = setTimeout(send, wait);
    wait = Math.min(wait * 2, 15000);
  }

  function now() {
    wait = 1000;
    send();
  }

  const waiting = () => sending || read().length > 0;

  // True once the server has everything.
  async function settled() {
    send();
    for (let i = 0; i < 100 && sending; i += 1) await new Promise((done) => setTimeout(done, 50));
    return !waiting();
  }

  // Calls for each answer that waits for this page's addresses, and as other tabs give more.
  function onGiven(action) {
    for (const item of read()) action(item);
    window.addEventListener("storage", ({ key, newValue }) => {
      if (!key?.startsWith(prefix) || !newValue) return;
      const item = JSON.parse(newValue);
      last = Math.max(last, Number(item.body.sequence)); // what is given here is newer
      action(item);
    });
  }

  // What the form posts is for browsers without JavaScript: here each answer is sent as it is
  // given, and what a tab still shows may be older than what is stored.
  form.addEventListener("formdata", ({ formData }) => {
    for (const name of [...formData.keys()])
      if (/^(was-)?(score|rank)-/.test(name)) formData.delete(name);
    formData.set("csrfmiddlewaretoken", token());
  });

  // Out of the browser's memory (Back) a page is as it was when it was left.
  window.addEventListener("pageshow", (event) => event.persisted && location.reload());
  window.addEventListener("online", now);
  document.addEventListener("visibilitychange", () => document.hidden || now());
  send();
  return { give, settled, waiting, onGiven, onRefused: (action) => { refused = action; } };
})();
