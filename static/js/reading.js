// The case: which set is shown, which criterion is marked, what is missing, and the keys.
(() => {
  const form = document.getElementById("answers");
  const note = document.getElementById("note");
  const ranking = document.getElementById("ranking");
  const letters = [...form.querySelectorAll("[data-rubric]")].map((r) => r.dataset.rubric);
  const ranked = [...ranking.querySelectorAll(".rank")].map(
    (r) => r.querySelector("input").name.slice("rank-".length),
  );
  const scales = (letter) => [...form.querySelectorAll(`[data-rubric="${letter}"] .scale`)];
  const chosen = (name) => form.querySelector(`input[name="${name}"]:checked`);
  let letter = letters[0];
  let marked = 0;
  let atRanking = false;
  let place = 1; // the next to be named by keys
  const ranks = new Map(); // as they were before a change

  const choose = (name, value) => {
    const input = form.querySelector(`input[name="${name}"][value="${value}"]`);
    if (input) input.checked = true;
  };

  function show(which) {
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
    mark(firstMissing(letter), false);
  }

  function mark(index, toRanking) {
    atRanking = toRanking;
    place = 1;
    marked = index;
    for (const scale of form.querySelectorAll(".scale")) scale.classList.remove("marked");
    ranking.classList.toggle("marked", toRanking);
    if (!toRanking) scales(letter)[index].classList.add("marked");
  }

  // By keys: the focus goes along, so that Tab goes on from here, and it must be in sight.
  function go(index, toRanking = false) {
    mark(index, toRanking);
    const here = toRanking ? ranking : scales(letter)[index];
    here.focus({ preventScroll: true });
    here.scrollIntoView({ block: "nearest" });
  }
  function goTo(which) {
    show(which);
    go(marked);
  }

  const isGiven = (scale) => Boolean(scale.querySelector("input:checked"));
  const missingIn = (which) => scales(which).filter((scale) => !isGiven(scale)).length;
  function firstMissing(which) {
    return Math.max(0, scales(which).findIndex((scale) => !isGiven(scale)));
  }

  function tally() {
    for (const which of letters) {
      const n = missingIn(which);
      const count = form.querySelector(`[data-count="${which}"]`);
      count.textContent = n ? `${n} missing` : "complete ✓";
      count.dataset.done = String(n === 0);
    }
    for (const scale of form.querySelectorAll(".scale.missing"))
      if (isGiven(scale)) scale.classList.remove("missing");
    if (rankingTiers()) ranking.classList.remove("missing");
    note.textContent = contradiction() || lacking();
  }

  function lacking() {
    const parts = letters
      .filter((which) => missingIn(which))
      .map((which) => `${missingIn(which)} score${missingIn(which) > 1 ? "s" : ""} missing in set ${which}`);
    if (!rankingTiers()) parts.push("ranking missing");
    return parts.join(", ");
  }

  const mean = (which) => {
    const values = scales(which)
      .map((s) => s.querySelector("input:checked")?.value)
      .filter((value) => value !== "na")
      .map(Number);
    return values.reduce((a, b) => a + b, 0) / values.length;
  };
  function contradiction() {
    const tiers = rankingTiers();
    if (!tiers || letters.some(missingIn)) return "";
    const order = tiers.flat().filter((which) => letters.includes(which));
    const odd = order.find((which, i) => i && mean(which) > mean(order[i - 1]) + 1);
    return odd
      ? `Set ${odd} has higher scores than the set ranked before it. That is fine if you mean it.`
      : "";
  }

  // [["B"], ["A", "C"]] once all are ranked, else null.
  function rankingTiers() {
    const tiers = new Map();
    for (const which of ranked) {
      const rank = chosen(`rank-${which}`)?.value;
      if (!rank) return null;
      tiers.set(rank, [...(tiers.get(rank) || []), which]);
    }
    return [...tiers.keys()].sort((a, b) => a - b).map((rank) => tiers.get(rank));
  }

  function saveScore(input) {
    const [, which, criterion] = input.name.match(/^score-(\w)-(.+)$/);
    Answers.give(form.dataset.scoreUrl, { letter: which, criterion, value: input.value });
  }

  // Without ties two sets swap their ranks, so that a complete ranking stays complete.
  function saveRank(input) {
    const before = ranks.get(input.name);
    if (form.dataset.ties === "no")
      for (const other of ranking.querySelectorAll(`input[value="${input.value}"]:checked`)) {
        if (other === input) continue;
        other.checked = false;
        if (before) choose(other.name, before);
      }
    noteRanks();
    const tiers = rankingTiers();
    if (tiers)
      Answers.give(form.dataset.rankingUrl, { tiers: tiers.map((t) => t.join("=")).join("|") });
  }

  function noteRanks() {
    ranks.clear();
    for (const input of ranking.querySelectorAll("input:checked")) ranks.set(input.name, input.value);
  }

  form.addEventListener("change", (event) => {
    const input = event.target;
    if (input.name.startsWith("score-")) saveScore(input);
    else if (input.name.startsWith("rank-")) saveRank(input);
    tally();
  });

  Answers.onRefused(({ url, body }) => {
    if (url !== form.dataset.scoreUrl) return;
    for (const input of form.elements[`score-${body.letter}-${body.criterion}`] || [])
      input.checked = false;
    tally();
  });

  // After a score, on to what comes next: criterion, set, ranking.
  function advance() {
    const here = scales(letter);
    if (marked + 1 < here.length) return go(marked + 1);
    const open = letters.find(missingIn);
    if (open && open !== letter) return goTo(open);
    return go(0, true);
  }

  function score(value) {
    const input = scales(letter)[marked].querySelector(`input[value="${value}"]`);
    if (!input) return;
    if (!input.checked) {
      input.checked = true;
      input.dispatchEvent(new Event("change", { bubbles: true }));
    }
    advance();
  }

  function rankNext(which) {
    const now = chosen(`rank-${which}`);
    if (now && Number(now.value) < place) return; // named a moment ago
    const input = ranking.querySelector(`input[name="rank-${which}"][value="${place}"]`);
    if (!input.checked) {
      input.checked = true;
      input.dispatchEvent(new Event("change", { bubbles: true }));
    }
    place += 1;
    if (place > ranked.length) go(marked);
  }

  const toggle = document.getElementById("references-toggle");
  function references(large) {
    form.classList.toggle("references-open", large);
    toggle.setAttribute("aria-expanded", String(form.classList.contains("references-open")));
  }

  function pressed(key) {
    const upper = key.toUpperCase();
    const scoring = !atRanking && !ranking.contains(document.activeElement);
    if (/^[0-9]$/.test(key)) scoring && score(key);
    else if (key === "x") scoring && score("10");
    else if (key === "-") scoring && score("na");
    else if (key === "ArrowDown") go(Math.min(marked + 1, scales(letter).length - 1));
    else if (key === "ArrowUp") go(Math.max(marked - 1, 0));
    else if (atRanking && ranked.includes(upper)) rankNext(upper);
    else if (letters.includes(upper)) goTo(upper);
    else if (key === "v") goTo(form.dataset.view === "all" ? letter : "all");
    else if (key === "k") go(0, true);
    else if (key === "r") references();
    else if (key === "n") form.requestSubmit();
    else if (key === "p") document.getElementById("previous-case")?.click();
    else if (key === "?") document.getElementById("guide").showModal();
    else return false;
    return true;
  }
  // Whoever speaks to the computer, or mistypes easily, can turn the keys off.
  const keys = document.getElementById("keys");
  keys.checked = localStorage.getItem("blindread:keys") !== "off";
  keys.addEventListener("change", () => {
    localStorage.setItem("blindread:keys", keys.checked ? "on" : "off");
  });
  document.addEventListener("keydown", (event) => {
    if (!keys.checked || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]"))
      return;
    if (ranking.contains(event.target) && event.key.startsWith("Arrow")) return;
    // A key held down is one answer, not the same one for every criterion.
    const character = event.key.length === 1;
    if ((event.repeat && character) || pressed(character ? event.key.toLowerCase() : event.key))
      event.preventDefault();
  });

  // The criterion that has the focus is the one that the keys score.
  form.addEventListener("focusin", (event) => {
    const index = scales(letter).indexOf(event.target.closest(".scale"));
    if (index >= 0 && (atRanking || index !== marked)) mark(index, false);
  });

  form.addEventListener("click", (event) => {
    const tab = event.target.closest("[data-show]");
    if (tab) show(tab.dataset.show);
    const index = scales(letter).indexOf(event.target.closest(".scale"));
    if (index >= 0) mark(index, false);
  });
  toggle.addEventListener("click", () => references());

  form.addEventListener("submit", async (event) => {
    if (!Answers.waiting()) return;
    event.preventDefault();
    if (await Answers.settled()) form.requestSubmit();
    else note.textContent = "Your answers wait in this browser. Go on as soon as they are saved.";
  });

  // The page shows what still waits to be sent, and what is given in another tab.
  Answers.onGiven(({ url, body }) => {
    if (url === form.dataset.scoreUrl) choose(`score-${body.letter}-${body.criterion}`, body.value);
    if (url === form.dataset.rankingUrl) {
      let rank = 1;
      for (const tier of body.tiers.split("|").map((each) => each.split("="))) {
        for (const which of tier) choose(`rank-${which}`, rank);
        rank += tier.length;
      }
      noteRanks();
    }
    tally();
  });

  noteRanks();
  show(letters.find(missingIn) || letters[0]);
  tally();
})();
