// <a href="#id"> and <button data-dialog="id"> open <dialog id="id">; in it, a link or a button of
// value "cancel" closes it. Without this, the links do the same by the address alone (dialog:target).
document.addEventListener("click", (event) => {
  const target = event.target.closest("a[href^='#'], [data-dialog], dialog:modal [value=cancel]");
  if (!target) return;
  if (target.href && (event.ctrlKey || event.metaKey || event.shiftKey)) return; // another tab
  const open = target.closest("dialog:modal");
  const dialog = open || document.getElementById(target.dataset.dialog || target.hash.slice(1));
  if (dialog?.tagName !== "DIALOG") return;
  event.preventDefault();
  if (open) open.close();
  else dialog.showModal();
});
