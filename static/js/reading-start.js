// The case page: all scripts start together, once all are there.
import * as answers from "./reading-answers.js";
import "./reading-flags.js";
import "./reading-keys.js";
import "./reading-note.js";
import "./reading-ranking.js";
import "./reading-scale.js";
import "./reading-viewer.js";
import "./reading-words.js";
import { form } from "./reading.js";

answers.start();
// What was chosen before the scripts came.
for (const input of form.querySelectorAll("[data-rubric] input:checked"))
  input.dispatchEvent(new Event("change", { bubbles: true }));
