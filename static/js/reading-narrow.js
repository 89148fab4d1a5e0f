// A window narrower than the protocol asks for shows a note in place of the case; nothing is lost.
// Enlarging the page's text doesn't count: the window's outer width stays.
import { text } from "./reading-text.js";

const note = document.getElementById("narrow");

function look() {
  const width = Math.max(window.innerWidth, window.outerWidth);
  const narrow = width < Number(note.dataset.width);
  note.hidden = !narrow;
  note.querySelector("span").textContent = text("narrow", { width });
  document.body.classList.toggle("too-narrow", narrow);
}
window.addEventListener("resize", look);
look();
