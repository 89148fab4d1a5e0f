// At what scale the images beside the rubric are shown: screen pixels for each pixel of an image.
import { text } from "./reading-text.js";

const said = document.getElementById("grid-scale");

const observer = new ResizeObserver((entries) => {
  const seen = entries.map(({ target }) => target).find((image) => image.clientWidth);
  if (!seen) return;
  const percent = (100 * seen.clientWidth * window.devicePixelRatio) / seen.getAttribute("width");
  said.textContent = text("gridScale", { percent: Math.round(percent) });
});
for (const image of document.querySelectorAll(".set .shot:first-child img")) observer.observe(image);
