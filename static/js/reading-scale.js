// At what scale the images beside the rubric are shown: screen pixels for each pixel of an image.
import { text } from "./reading-text.js";

const form = document.getElementById("answers");
const said = document.getElementById("grid-scale");

const observer = new ResizeObserver((entries) => {
  const seen = entries.map(({ target }) => target).find((image) => image.clientWidth);
  if (!seen) return;
  const percent = (100 * seen.clientWidth * window.devicePixelRatio) / seen.getAttribute("width");
  said.textContent = text("gridScale", { percent: Math.round(percent) });
});
// No image is shown larger than it is.
form.style.setProperty("--side", `${form.querySelector(".shot img").getAttribute("width")}px`);
for (const image of document.querySelectorAll(".set .cell:first-child img")) observer.observe(image);
