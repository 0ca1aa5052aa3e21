// Folds the navigation on small screens. Without JavaScript it simply stays open.
document.documentElement.classList.add("js");
const sidebar = document.querySelector("[data-sidebar]");
const button = sidebar?.querySelector("[data-nav-button]");
button?.addEventListener("click", () => {
  const open = sidebar.classList.toggle("open");
  button.setAttribute("aria-expanded", String(open));
});
sidebar?.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && sidebar.classList.contains("open")) {
    button.click();
    button.focus();
  }
});
