// An image that did not come is asked for again: nobody should score a set that lacks one.
(() => {
  const lost = new Set();
  let wait = 1000;
  let timer;

  function again() {
    clearTimeout(timer);
    timer = undefined;
    for (const image of lost) image.src = image.getAttribute("src");
    lost.clear();
  }
  function later(image) {
    lost.add(image);
    if (timer) return;
    timer = setTimeout(again, wait);
    wait = Math.min(wait * 2, 15000);
  }

  for (const image of document.querySelectorAll(".grid img")) {
    image.addEventListener("error", () => later(image));
    image.addEventListener("load", () => { wait = 1000; });
    if (image.complete && !image.naturalWidth) later(image);
  }
  window.addEventListener("online", again);
})();
