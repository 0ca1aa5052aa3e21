// Watches work that goes on in the background: asks for the progress card and puts it in place.
const place = document.querySelector("[data-watch]");
const voice = document.querySelector("[data-watch-spoken]");
document.querySelector("[data-watch-note]")?.remove();

async function look() {
  let wait = 1000;
  try {
    const answer = await fetch(place.dataset.watch, { headers: { "X-Requested-With": "fetch" } });
    if (!answer.ok || answer.redirected) return location.reload();
    place.innerHTML = await answer.text();
    const spoken = answer.headers.get("X-Spoken") ?? "";
    if (voice.textContent !== spoken) voice.textContent = spoken;
    if (answer.headers.get("X-Live") !== "true") return location.reload();
  } catch {
    wait = 5000;
  }
  setTimeout(look, document.hidden ? wait * 5 : wait);
}
setTimeout(look, 1000);
