// Copy buttons: hidden without JavaScript, say aloud that they worked.
const status = document.querySelector("[data-copy-status]");
for (const button of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) continue;
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(button.dataset.copy);
    const label = button.firstChild.textContent;
    button.firstChild.textContent = "Copied";
    if (status) status.textContent = "Copied";
    setTimeout(() => {
      button.firstChild.textContent = label;
      if (status) status.textContent = "";
    }, 1600);
  });
}
