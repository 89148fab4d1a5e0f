// Answers are queued in the browser, sent in order, and dropped only when the server has them.
// The queue is kept under the reader's own key, so that it survives a reload or another case,
// and never goes out under somebody else's name.
const Answers = (() => {
  const form = document.getElementById("answers");
  const status = document.getElementById("status");
  const signIn = document.getElementById("sign-in");
  const key = `blindread:${form.dataset.reader}`;
  const clock = Number(form.dataset.serverTime) - Date.now();
  let last = Number(form.dataset.sequence);
  let sending = false;
  let wait = 1000;
  let timer;
  let refused = () => {};

  const read = () => JSON.parse(localStorage.getItem(key) || "[]");
  const write = (queue) => localStorage.setItem(key, JSON.stringify(queue));
  const say = (text, kind) => {
    status.textContent = text;
    status.dataset.kind = kind;
    signIn.hidden = true;
  };
  const token = () =>
    (document.cookie.match(/(?:^|; )csrftoken=([^;]*)/) || [])[1] ||
    form.elements.csrfmiddlewaretoken.value;
  const count = (n) => (n === 1 ? "1 answer waits" : `${n} answers wait`);

  function give(url, data) {
    last = Math.max(Date.now() + clock, last + 1);
    const body = { ...data, reader: form.dataset.reader, sequence: String(last) };
    write([...read(), { url, body }]);
    say("Saving…", "busy");
    send();
  }

  async function send() {
    if (sending) return;
    sending = true;
    try {
      while (read().length) {
        const { url, body } = read()[0];
        const response = await fetch(url, {
          method: "POST",
          body: new URLSearchParams(body),
          headers: { "X-CSRFToken": token() },
          redirect: "manual",
          signal: AbortSignal.timeout(15000),
        });
        if (response.type === "opaqueredirect" || response.status === 403) {
          say(`You were signed out: ${count(read().length)} here. Sign in again and come back:`, "bad");
          signIn.hidden = false;
          return later();
        }
        if (response.status >= 500) throw new Error(response.statusText);
        write(read().filter((item) => item.body.sequence !== body.sequence || item.url !== url));
        wait = 1000;
        if (!response.ok) {
          const answer = await response.json().catch(() => ({ error: "The study is closed." }));
          say(`Not saved: ${answer.error}`, "bad");
          refused(body);
          if (read().length) continue;
          return;
        }
      }
      if (status.dataset.kind !== "bad") say("Saved ✓", "good");
    } catch {
      say(`Offline: ${count(read().length)} here and will be sent`, "bad");
      later();
    } finally {
      sending = false;
    }
  }

  function later() {
    clearTimeout(timer);
    timer = setTimeout(() => {
      status.dataset.kind = "busy";
      send();
    }, wait);
    wait = Math.min(wait * 2, 15000);
  }

  const waiting = () => sending || read().length > 0;

  // Answers of this page that the server may not have yet, oldest first.
  const queued = (url) => read().filter((item) => item.url === url).map((item) => item.body);

  // True once the server has everything.
  async function settled() {
    for (let i = 0; i < 100 && waiting(); i += 1) {
      send();
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return !read().length;
  }

  window.addEventListener("online", send);
  document.addEventListener("visibilitychange", () => document.hidden || send());
  if (read().length) {
    say("Saving…", "busy");
    send();
  }
  return { give, settled, waiting, queued, onRefused: (action) => { refused = action; } };
})();
