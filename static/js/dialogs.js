// <a href="#id"> and <button data-dialog="id"> open <dialog id="id">; a link in it closes it. Without
// this, the links do the same by the address alone (dialog:target).
document.addEventListener("click", (event) => {
  const opener = event.target.closest("a[href^='#'], [data-dialog]");
  if (!opener) return;
  const open = opener.closest("dialog:modal");
  const dialog = document.getElementById(opener.dataset.dialog || opener.hash.slice(1));
  if (!open && dialog?.tagName !== "DIALOG") return;
  event.preventDefault();
  if (open) open.close();
  else dialog.showModal();
});
