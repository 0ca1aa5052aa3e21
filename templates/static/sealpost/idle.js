// Automatic logoff: warns, keeps what is being typed, and puts it back on the next visit. The server decides by itself.
const notice = document.querySelector("[data-idle]");
const token = document.querySelector("[name=csrfmiddlewaretoken]")?.value ?? "";
let active = Date.now();
let told = active;

function post(url, data, headers = {}) {
  data.set("csrfmiddlewaretoken", token);
  return fetch(url, { method: "POST", body: data, headers });
}

async function move() {
  active = Date.now();
  notice.hidden = true;
  // The server hears of it once a minute, not with every key.
  if (active - told < 60_000) return;
  told = active;
  const answer = await post(notice.dataset.stay, new FormData());
  if (answer.redirected) location.reload();
}

function gather() {
  const data = new FormData();
  for (const form of document.querySelectorAll("main form[method=post]")) {
    if (form.closest("[data-kept-draft]")) continue;
    for (const [name, value] of new FormData(form)) if (typeof value === "string") data.append(name, value);
  }
  data.set("draft-path", location.pathname);
  return data;
}

async function watch() {
  const idle = (Date.now() - active) / 1000;
  notice.hidden = idle < notice.dataset.warn;
  if (idle < notice.dataset.idle - 45) return;
  clearInterval(timer);
  await post(notice.dataset.keep, gather(), { "X-Requested-With": "fetch" });
  setTimeout(() => location.assign(location.href), 60_000);
}

for (const kind of ["keydown", "pointerdown"]) document.addEventListener(kind, move, { passive: true });
const timer = setInterval(watch, 5000);

const kept = document.querySelector("[data-kept-draft]");
const take = kept?.querySelector("[data-take-draft]");
if (take) {
  take.hidden = false;
  take.addEventListener("click", () => {
    for (const [name, values] of Object.entries(JSON.parse(document.getElementById("kept-draft").textContent))) {
      const inputs = [...document.getElementsByName(name)].filter((input) => !kept.contains(input) && input.type !== "hidden");
      inputs.forEach((input, at) => {
        if (["checkbox", "radio"].includes(input.type)) input.checked = values.includes(input.value);
        else if (input.multiple) for (const option of input.options) option.selected = values.includes(option.value);
        else input.value = values[at] ?? input.value;
        input.dispatchEvent(new Event("input", { bubbles: true }));
      });
    }
    kept.remove();
  });
}
