// Tables people fill in: a button that adds one more row like the last, empty.
for (const button of document.querySelectorAll("[data-add-row]")) {
  const body = button.closest("section, fieldset").querySelector("[data-rows]");
  button.hidden = false;
  button.addEventListener("click", () => {
    const row = body.rows[body.rows.length - 1].cloneNode(true);
    for (const input of row.querySelectorAll("input")) input.value = "";
    for (const select of row.querySelectorAll("select")) select.selectedIndex = 0;
    body.append(row);
    row.querySelector("input").focus();
  });
}
