// Keeps the figures of a campaign fresh: while it leaves, and while its readers open and click. Without JavaScript the
// page tells to load it again.
const SPAN = 15;
const HIDDEN = 10000;

const slot = document.querySelector("[data-progress]");
const EVERY = Number(slot?.dataset.every);
const voice = document.querySelector("[data-progress-voice]");
const looks = [];

function remember() {
  const card = slot.firstElementChild;
  looks.push({ settled: card.dataset.settled, at: Number(card.dataset.at) });
  while (looks.length > 1 && looks.at(-1).at - looks[0].at > SPAN) {
    looks.shift();
  }
}

// Only what changed is replaced, and whoever stands on a link of it with the keyboard stays there.
function show(card) {
  const old = slot.firstElementChild;
  if (old.innerHTML === card.innerHTML) {
    Object.assign(old.dataset, card.dataset);
    return;
  }
  const stood = old.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  slot.replaceChildren(card);
  if (stood) {
    card.querySelector(`a[href="${CSS.escape(stood)}"]`)?.focus();
  }
}

async function look() {
  const address = new URL(slot.dataset.progress, location.href);
  address.searchParams.set("settled", looks[0].settled);
  address.searchParams.set("at", String(looks[0].at));
  const answer = await fetch(address, { headers: { Accept: "text/html" }, redirect: "error" });
  if (!answer.ok) {
    throw new Error("no progress");
  }
  const card = new DOMParser().parseFromString(await answer.text(), "text/html").body.firstElementChild;
  if (card.dataset.state !== slot.firstElementChild.dataset.state) {
    // Other buttons and the report belong to the new state.
    location.reload();
    return false;
  }
  show(card);
  if (voice && voice.textContent !== card.dataset.spoken) {
    voice.textContent = card.dataset.spoken;
  }
  remember();
  return true;
}

async function keepLooking(failures) {
  let missed = failures;
  try {
    if (!(await look())) {
      return;
    }
    missed = 0;
  } catch {
    missed += 1;
  }
  const wait = document.hidden ? HIDDEN : EVERY * Math.min(2 ** missed, 20);
  setTimeout(keepLooking, wait, missed);
}

if (EVERY > 0) {
  remember();
  document.querySelector("[data-progress-reload]")?.setAttribute("hidden", "");
  setTimeout(keepLooking, EVERY, 0);
}
