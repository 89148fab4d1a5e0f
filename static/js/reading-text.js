// What the scripts say, in the reader's language: the page brings the texts.
const texts = JSON.parse(document.getElementById("texts").textContent);

export const text = (key, values = {}) =>
  texts[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
