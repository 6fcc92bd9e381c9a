"use strict";
// Sorts and filters the one table of the page; without it the table stands as it is, in order of rank.
(() => {
  const body = document.querySelector("#board tbody");
  const rows = Array.from(body.rows);
  const heads = Array.from(document.querySelectorAll("#board thead th"));
  const words = document.querySelector("#words");
  const picks = Array.from(document.querySelectorAll("select[data-column]"));
  const count = document.querySelector("#count");
  const texts = rows.map((row) => row.textContent.toLowerCase());
  const key = (row, i) => {
    const cell = row.cells[i];
    return cell.dataset.v === undefined ? cell.textContent.trim() : cell.dataset.v === "" ? NaN : Number(cell.dataset.v);
  };
  const compare = (a, b, down) => {
    if (typeof a === "string") return (down ? -1 : 1) * a.localeCompare(b);
    if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b); // no value: last, either way
    return a === b ? 0 : (down ? -1 : 1) * (a < b ? -1 : 1);
  };
  const sort = (i, down) => {
    const machine = heads.findIndex((head) => head.dataset.name === "machine");
    const within = heads[i].dataset.within === "machine";
    const keyed = rows.map((row, n) => [within ? key(row, machine) : "", key(row, i), n, row]);
    keyed.sort((a, b) => compare(a[0], b[0], false) || compare(a[1], b[1], down) || a[2] - b[2]);
    body.append(...keyed.map((one) => one[3]));
    heads.forEach((head, n) => {
      if (n === i) head.setAttribute("aria-sort", down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
  };
  const filter = () => {
    const asked = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    rows.forEach((row, n) => {
      const fits = asked.every((word) => texts[n].includes(word)) &&
        picks.every((pick) => pick.value === "" || row.cells[Number(pick.dataset.column)].textContent.trim() === pick.value);
      row.hidden = !fits;
      shown += fits;
    });
    count.textContent = `${shown} of ${rows.length}`;
  };
  heads.forEach((head, i) => {
    head.querySelector("button").addEventListener("click", () => {
      const first = head.dataset.first === "descending";
      const state = head.getAttribute("aria-sort");
      sort(i, state === null ? first : state === "ascending");
    });
  });
  let waiting = 0;
  words.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(filter, 120);
  });
  picks.forEach((pick) => pick.addEventListener("change", filter));
  document.querySelector("#controls").hidden = false;
  filter();
})();
