"use strict";
// Tables: buttons in the heads sort, the fields above filter. Rows are in the
// page, so that all can be read without this script.

function sortedBy(cell) {
  const value = cell.dataset.value;
  return value === undefined ? cell.textContent : Number(value);
}

const words = new Intl.Collator("en", { numeric: true });

function compare(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
  return words.compare(a, b);
}

function sort(table, column, head) {
  const down = head.getAttribute("aria-sort") === "ascending";
  const rows = [...table.tBodies[0].rows].map((row, place) => {
    const cell = row.cells[column];
    return { row, place, key: sortedBy(cell), empty: !cell.textContent };
  });
  rows.sort((a, b) => {
    if (a.empty !== b.empty) return a.empty ? 1 : -1; // last, either way
    return (down ? -1 : 1) * compare(a.key, b.key) || a.place - b.place;
  });
  for (const other of table.tHead.rows[0].cells) {
    other.setAttribute("aria-sort", "none");
  }
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const body = table.tBodies[0];
  body.replaceChildren(...rows.map(({ row }) => row));
}

function filter(part) {
  const words = part.querySelector("input").value.toLowerCase().split(/\s+/);
  const choices = [...part.querySelectorAll("select")]
    .filter((select) => select.value)
    .map((select) => [Number(select.dataset.column), select.value]);
  const rows = part.querySelector("tbody").rows;
  let shown = 0;
  for (const row of rows) {
    const text = row.textContent.toLowerCase();
    row.hidden = !(
      words.every((word) => text.includes(word)) &&
      choices.every(([i, value]) => row.cells[i].textContent === value)
    );
    shown += !row.hidden;
  }
  part.querySelector("output").textContent = `${shown} of ${rows.length} rows`;
}

function addChoices(part) {
  for (const select of part.querySelectorAll("select")) {
    const column = Number(select.dataset.column);
    const cells = [...part.querySelector("tbody").rows];
    const values = new Set(cells.map((row) => row.cells[column].textContent));
    for (const value of [...values].filter(Boolean).sort()) {
      select.add(new Option(value, value));
    }
  }
}

for (const part of document.querySelectorAll(".part")) {
  const table = part.querySelector("table");
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    button.addEventListener("click", () => sort(table, column, head));
    head.append(button);
    head.setAttribute("aria-sort", "none");
  });
  addChoices(part);
  part.querySelector(".tools").addEventListener("input", () => filter(part));
  part.querySelector(".tools").hidden = false;
  filter(part);
}
