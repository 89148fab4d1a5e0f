// The large view: an image at a whole-number scale, with a reference at the same scale beside it.
(() => {
  const dialog = document.getElementById("viewer");
  const shots = (group) => [...document.querySelectorAll(`.shot[data-group="${group}"] img`)];
  const references = shots("References");
  const $ = (id) => document.getElementById(id);
  let group = [];
  let at = 0;
  let reference = 0;
  let scale = 2;

  function draw() {
    const image = group[at];
    for (const [target, source] of [
      ["viewer-image", image],
      ["viewer-reference", references[reference]],
    ]) {
      $(target).src = source.src;
      $(target).width = source.naturalWidth * scale;
      $(target).height = source.naturalHeight * scale;
      $(target).alt = source.alt;
    }
    $("viewer-name").textContent = `${at + 1} of ${group.length}`;
    $("viewer-scale").textContent = `scale ${scale}×`;
    $("viewer-caption").textContent = image.alt;
    $("viewer-reference-caption").textContent = `${references[reference].alt} (real)`;
  }
  const around = (n, list) => (n + list.length) % list.length;
  const moves = {
    next: () => { at = around(at + 1, group); },
    previous: () => { at = around(at - 1, group); },
    reference: () => { reference = around(reference + 1, references); },
    larger: () => { scale = Math.min(scale + 1, 6); },
    smaller: () => { scale = Math.max(scale - 1, 1); },
  };
  const keys = { ArrowRight: "next", ArrowLeft: "previous", "+": "larger", "=": "larger", "-": "smaller", r: "reference" };
  // What stood in the middle stays there when the scale changes.
  const panes = [...dialog.querySelectorAll(".pane")];
  function move(name) {
    const before = scale;
    const middles = panes.map((p) => [p.scrollLeft + p.clientWidth / 2, p.scrollTop + p.clientHeight / 2]);
    moves[name]();
    draw();
    if (scale !== before)
      for (const [i, pane] of panes.entries())
        pane.scrollTo(
          (middles[i][0] * scale) / before - pane.clientWidth / 2,
          (middles[i][1] * scale) / before - pane.clientHeight / 2,
        );
  }

  document.addEventListener("click", (event) => {
    const shot = event.target.closest(".shot");
    if (!shot) return;
    group = shots(shot.dataset.group);
    at = group.indexOf(shot.querySelector("img"));
    const room = Math.min((window.innerWidth - 80) / 2, window.innerHeight - 140);
    scale = Math.max(1, Math.floor(room / group[at].naturalWidth));
    draw();
    dialog.showModal();
  });
  dialog.addEventListener("click", (event) => {
    const button = event.target.closest("[data-view]");
    if (button) move(button.dataset.view);
  });
  // Both panes move together, by dragging either.
  for (const pane of panes) {
    pane.addEventListener("pointerdown", (event) => pane.setPointerCapture(event.pointerId));
    pane.addEventListener("pointermove", (event) => {
      if (event.buttons)
        for (const each of panes) each.scrollBy(-event.movementX, -event.movementY);
    });
    pane.addEventListener("wheel", (event) => {
      event.preventDefault();
      move(event.deltaY < 0 ? "larger" : "smaller");
    });
  }
  dialog.addEventListener("keydown", (event) => {
    if (keys[event.key]) {
      event.preventDefault();
      move(keys[event.key]);
    }
  });
})();
