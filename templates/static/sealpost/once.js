// A page that shows something once takes the address of what was made: reloading then shows that, and makes nothing anew.
const shown = document.querySelector("[data-shown-once-at]");
if (shown) history.replaceState(null, "", shown.dataset.shownOnceAt);
