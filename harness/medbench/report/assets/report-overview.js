"use strict";
// One row a task: its main table, the best methods, and where all methods lie.
report.overview = (() => {
  const { payload, el, svg, clean, name, lineName, format, interval, columnTitle } = report.base;
  const { state } = report;
  const MOST_NAMES = 3;
  const STEP = 100;

  /** The section; diagrams stand below it. */
  function draw() {
    const tasks = [...Map.groupBy(payload.tables.filter(isShown), (table) => table.task).values()];
    const body = el("tbody");
    const more = el("button.more", { type: "button" });
    let shown = 0;
    const grow = () => {
      body.append(...tasks.slice(shown, shown + STEP).map(row));
      shown = Math.min(shown + STEP, tasks.length);
      more.hidden = shown >= tasks.length;
      more.textContent = `Show more (${tasks.length - shown} left)`;
    };
    more.addEventListener("click", grow);
    grow();
    const aside = payload.tables.some((table) => table.set_aside && Boolean(table.phantom) === state.phantom());
    return el("section.overview", { "aria-labelledby": "view-title" },
      el("h2", { id: "view-title", tabindex: "-1" }, "Overview"),
      tasks.length
        ? el("p.lead", {}, "A row a task: the best method, those not told apart from it, and where all methods lie.")
        : el("p.lead", {}, "No record yet."),
      tasks.length > 0 && el("div.scroller", { tabindex: "0", role: "region", "aria-label": "Overview of tasks" }, table(body)),
      more,
      aside && el("p.quiet", {}, "Tables of other versions of a task are listed last under Tasks, and are never compared with these."),
      report.diagram.draw());
  }

  function isShown(table) {
    return Boolean(table.phantom) === state.phantom() && !table.set_aside;
  }

  function table(body) {
    const heads = ["Task", "Best", "Value", "All methods", "Methods"];
    return el("table.results.tasks", {},
      el("caption.unseen", {}, "Tasks and their best methods"),
      el("thead", {}, el("tr", {}, heads.map((head, index) => el(index === 2 || index === 4 ? "th.number" : "th", { scope: "col" }, head)))),
      body);
  }

  function row(tables) {
    const main = tables[0];
    const others = tables.slice(1);
    const column = main.ranking === undefined ? null : main.columns[main.ranking];
    const methods = main.lines.filter((line) => line.kind === "method");
    const best = column ? leaders(methods, main.ranking) : [];
    const value = best.length ? best[0].cells[main.ranking] : null;
    return el("tr", {},
      el("th", { scope: "row" },
        el("a", { href: state.link({ table: state.slug(main) }) }, name(main.title, 60)),
        el("span.under", {}, name(main.dataset, 40), " · ", name(main.recipe, 30),
          others.slice(0, 4).map((other) => [" · ",
            el("a", { href: state.link({ table: state.slug(other) }) }, name(different(main, other), 40))]))),
      el("td", {}, best.length ? names(best) : "–"),
      el("td.number", {}, value
        ? [el("span.value.tied", {}, value.text || format(value.value, column.unit)), el("span.spread", {}, interval(value, column.unit)),
          el("span.under", {}, columnTitle(column, { fraction: column.fraction !== 1 }))]
        : "–"),
      el("td.across", {}, column ? strip(main, column, methods, best) : ""),
      el("td.number", {}, String(methods.length)));
  }

  /** The methods that share the bold, best first. */
  function leaders(methods, ranking) {
    const placed = methods.filter((line) => typeof line.cells[ranking]?.value === "number");
    const first = placed.filter((line) => line.rank === 1);
    return [...first, ...placed.filter((line) => line.rank !== 1 && line.cells[ranking].tied)];
  }

  function names(lines) {
    const left = lines.length - MOST_NAMES;
    return el("ul.names", {},
      lines.slice(0, MOST_NAMES).map((line) => el("li", {}, name(lineName(line), 36))),
      left > 0 && el("li.quiet", {}, `and ${left} more`));
  }

  function different(main, other) {
    const parts = ["recipe", "split", "version", "data"].filter((key) => main[key] !== other[key]);
    return parts.map((key) => (key === "version" ? `version ${other[key]}` : clean(other[key]))).join(", ") || "another";
  }

  /** A small strip: a tick a method, the best filled, floors dashed. */
  function strip(table, column, methods, best) {
    const all = table.lines.filter((line) => line.kind !== "reported" && typeof line.cells[table.ranking]?.value === "number");
    const values = all.map((line) => line.cells[table.ranking].value);
    if (!values.length) return "";
    const [low, high] = column.unit === "plain" ? [Math.min(...values), Math.max(...values)] : [0, 1];
    const x = (value) => 3 + (134 * (value - low)) / (high - low || 1);
    const at = (line) => x(Math.min(Math.max(line.cells[table.ranking].value, low), high));
    const path = methods.filter((line) => all.includes(line)).map((line) => `M${at(line).toFixed(1)},4v10`).join("");
    const floors = all.filter((line) => line.kind === "floor").map((line) => `M${at(line).toFixed(1)},1v16`).join("");
    return svg("svg.strip", { viewBox: "0 0 140 18", width: "140", height: "18", "aria-hidden": "true" },
      svg("path.axis", { d: "M3,9H137" }),
      floors && svg("path.floor", { d: floors }),
      path && svg("path.ticks", { d: path }),
      best.slice(0, 1).map((line) => svg("circle.best", { cx: at(line), cy: 9, r: 4 })));
  }

  return { draw };
})();
