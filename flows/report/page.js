// The interactive page: charts that answer to the pointer, tables that sort and filter.
// Without it, or where it fails, the page shows the same drawings and rows as a static one.
(() => {
  "use strict";

  function draw(plot) {
    const spec = JSON.parse(document.getElementById(`spec-${plot.dataset.chart}`).textContent);
    spec.width = plot.clientWidth;
    spec.config.legend.columns = plot.clientWidth < 500 ? 2 : 0;
    const live = document.createElement("div");
    live.className = "live";
    plot.append(live);
    const options = {
      ast: true, // expressions are interpreted, so that no code is made from text
      actions: false,
      defaultStyle: false,
      renderer: "svg",
      tooltip: { theme: "page", disableDefaultStyle: true },
    };
    return vegaEmbed(live, spec, options).then(
      () => plot.classList.add("is-live"),
      (error) => {
        live.remove();
        console.error(error);
      },
    );
  }

  function valueOf(row, position) {
    const cell = row.cells[position];
    const told = cell.dataset.sort;
    return told === undefined ? cell.textContent.trim() : told;
  }

  function compare(one, other) {
    const [left, right] = [Number(one), Number(other)];
    if (one !== "" && other !== "" && !Number.isNaN(left) && !Number.isNaN(right)) return left - right;
    return one < other ? -1 : one > other ? 1 : 0;
  }

  function sortBy(table, position) {
    const heading = table.tHead.rows[0].cells[position];
    const order = heading.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
    for (const cell of table.tHead.rows[0].cells) cell.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", order);
    const sign = order === "ascending" ? 1 : -1;
    const rows = [...table.tBodies[0].rows];
    rows.sort((a, b) => sign * compare(valueOf(a, position), valueOf(b, position)));
    table.tBodies[0].append(...rows);
  }

  function makeSortable(table) {
    [...table.tHead.rows[0].cells].forEach((heading, position) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...heading.childNodes);
      button.addEventListener("click", () => sortBy(table, position));
      heading.append(button);
    });
  }

  function makeFilterable(block, table) {
    const rows = [...table.tBodies[0].rows];
    if (rows.length < 6) return;
    const field = document.createElement("input");
    field.type = "search";
    field.placeholder = "Filter these rows";
    field.setAttribute("aria-label", `Filter: ${table.caption.textContent}`);
    const shown = document.createElement("output");
    const told = rows.map((row) => row.textContent.toLowerCase());
    field.addEventListener("input", () => {
      const wanted = field.value.trim().toLowerCase();
      let count = 0;
      rows.forEach((row, number) => {
        row.hidden = !told[number].includes(wanted);
        count += !row.hidden;
      });
      shown.textContent = wanted ? `${count} of ${rows.length}` : "";
    });
    const line = document.createElement("p");
    line.className = "filter";
    line.append(field, shown);
    block.querySelector(".scroll").before(line);
  }

  for (const block of document.querySelectorAll(".block")) {
    const table = block.querySelector("table");
    makeSortable(table);
    makeFilterable(block, table);
  }
  Promise.all([...document.querySelectorAll("[data-chart]")].map(draw)).then(() => {
    document.documentElement.dataset.ready = "yes";
  });
})();
