// <button data-dialog="id"> opens <dialog id="id">; a button of value "cancel" in it closes it.
document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-dialog]");
  if (opener) document.getElementById(opener.dataset.dialog).showModal();
  const cancel = event.target.closest("dialog [value=cancel]");
  if (cancel) cancel.closest("dialog").close();
});
