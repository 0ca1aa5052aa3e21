// The template editor: jump to a line, width of the preview, and a warning before typed words are lost.
const form = document.querySelector("[data-editor]");
const source = form.elements.source;

for (const button of document.querySelectorAll("[data-line]")) {
  button.addEventListener("click", () => {
    const lines = source.value.split("\n");
    const line = Math.min(Number(button.dataset.line), lines.length);
    const start = lines.slice(0, line - 1).join("\n").length + (line > 1 ? 1 : 0);
    source.focus();
    source.setSelectionRange(start, start + lines[line - 1].length);
    source.scrollTop = (line - 4) * parseFloat(getComputedStyle(source).lineHeight);
  });
}

const frame = document.querySelector("iframe[name=preview]");
const widths = document.querySelector("[data-widths]");
widths.hidden = false;
for (const button of widths.querySelectorAll("[data-width]")) {
  button.addEventListener("click", () => {
    frame.classList.toggle("phone", button.dataset.width === "phone");
    for (const other of widths.querySelectorAll("[data-width]")) other.setAttribute("aria-pressed", String(other === button));
  });
}

let changed = form.parentElement.querySelector("[role=alert]") !== null;
form.addEventListener("input", () => { changed = true; });
form.addEventListener("submit", (event) => { if (!event.submitter?.formTarget) changed = false; });
window.addEventListener("beforeunload", (event) => { if (changed) event.preventDefault(); });
