// Images in panes, all at one scale and one place, however either is moved or scaled.
// A scale is in screen pixels per image pixel. At whole numbers each image pixel is a square of screen
// pixels, nothing is blurred; between them, while fingers pinch, and below 1 the browser smooths.
const STEPS = [1 / 8, 1 / 6, 1 / 4, 1 / 3, 1 / 2, 1, 2, 3, 4, 6, 8, 12, 16];
const CLICK = 5; // pixels that a finger may move and still mean a click
const NOTCH = 60; // pixels of wheel for a step

// `side` is that of the images in pixels; `onScale` is told each scale that is drawn.
export function lens(panes, side, onScale) {
  const pointers = new Map();
  let scale = 1;
  let at = { x: 0.5, y: 0.5 }; // what stands in the middle of a pane, in parts of the image
  let pinch;
  let travelled = 0;
  let turned = 0;

  const shown = () => (side * scale) / window.devicePixelRatio; // CSS pixels
  const whole = (x) => Math.round(x * window.devicePixelRatio) / window.devicePixelRatio;
  const clamp = (x, room) => {
    const half = room / 2 / shown();
    return half >= 0.5 ? 0.5 : Math.min(Math.max(x, half), 1 - half);
  };

  function draw() {
    const box = panes[0];
    at = { x: clamp(at.x, box.clientWidth), y: clamp(at.y, box.clientHeight) };
    for (const pane of panes) {
      const image = pane.querySelector("img");
      const left = whole(pane.clientWidth / 2 - at.x * shown());
      const top = whole(pane.clientHeight / 2 - at.y * shown());
      image.style.width = `${shown()}px`;
      image.style.transform = `translate(${left}px, ${top}px)`;
      image.style.imageRendering = Number.isInteger(scale) ? "pixelated" : "auto";
      pane.classList.toggle("movable", shown() > Math.min(pane.clientWidth, pane.clientHeight));
    }
    onScale(scale);
  }

  // What lies `x`, `y` from a pane's middle stays there.
  function zoom(to, x = 0, y = 0) {
    const before = shown();
    scale = Math.min(Math.max(to, STEPS[0]), STEPS.at(-1));
    at.x += x / before - x / shown();
    at.y += y / before - y / shown();
    draw();
  }
  function step(direction, x, y) {
    const next =
      direction > 0 ? STEPS.find((s) => s > scale) : STEPS.findLast((s) => s < scale);
    if (next) zoom(next, x, y);
  }
  function pan(dx, dy) {
    at.x -= dx / shown();
    at.y -= dy / shown();
    draw();
  }
  // The largest step at which a whole image can be seen.
  function fit() {
    const room = Math.min(panes[0].clientWidth, panes[0].clientHeight) * window.devicePixelRatio;
    scale = STEPS.findLast((s) => s * side <= room) || STEPS[0];
    at = { x: 0.5, y: 0.5 };
    draw();
  }

  const fromMiddle = (pane, { x, y }) => {
    const box = pane.getBoundingClientRect();
    return [x - box.left - box.width / 2, y - box.top - box.height / 2];
  };
  function spread() {
    const [a, b] = [...pointers.values()];
    return { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2, size: Math.hypot(a.x - b.x, a.y - b.y) };
  }

  function down(event) {
    event.currentTarget.setPointerCapture(event.pointerId);
    if (!pointers.size) travelled = 0;
    pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    pinch = pointers.size === 2 ? { ...spread(), scale } : undefined;
  }
  function move(event) {
    const last = pointers.get(event.pointerId);
    if (!last) return;
    const [dx, dy] = [event.clientX - last.x, event.clientY - last.y];
    pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    travelled += Math.hypot(dx, dy);
    if (pinch) {
      const now = spread();
      pan(now.x - pinch.x, now.y - pinch.y);
      Object.assign(pinch, { x: now.x, y: now.y });
      zoom((pinch.scale * now.size) / pinch.size, ...fromMiddle(event.currentTarget, now));
    } else if (pointers.size === 1 && travelled > CLICK) pan(dx, dy);
  }
  function up(event) {
    if (!pointers.delete(event.pointerId)) return;
    if (pinch) {
      const near = (s) => Math.abs(Math.log(s / scale));
      zoom(STEPS.reduce((best, s) => (near(s) < near(best) ? s : best)));
      pinch = undefined;
      travelled = Infinity;
    } else if (event.type === "pointerup" && travelled <= CLICK) {
      const [x, y] = fromMiddle(event.currentTarget, { x: event.clientX, y: event.clientY });
      pan(-x, -y); // a click brings its place to the middle: for those who can't drag
    }
  }
  function wheel(event) {
    event.preventDefault();
    const pixels = event.deltaY * [1, 20, 400][event.deltaMode] * (event.ctrlKey ? 8 : 1);
    if (pixels * turned < 0) turned = 0;
    turned += pixels;
    if (Math.abs(turned) < NOTCH) return;
    step(-Math.sign(turned), ...fromMiddle(event.currentTarget, { x: event.clientX, y: event.clientY }));
    turned = 0;
  }

  for (const pane of panes) {
    pane.addEventListener("pointerdown", down);
    pane.addEventListener("pointermove", move);
    pane.addEventListener("pointerup", up);
    pane.addEventListener("pointercancel", up);
    pane.addEventListener("wheel", wheel, { passive: false });
  }
  return { draw, fit, pan, step };
}
