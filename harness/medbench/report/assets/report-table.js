"use strict";
// The table of one task: sorted by its heads, filtered by its controls, drawn a piece at a time.
report.table = (() => {
  const { el, clean, columnTitle, family, fractionName, announce, plural } = report.base;
  const { state, filters, rows } = report;
  const STEP = 100;
  const PARTS = [["method", ""], ["reported", "Reported by papers"], ["floor", "Trivial answers and ceilings"]];

  /** The section and a function that draws it again after a change of settings. */
  function draw(table) {
    const head = el("thead");
    const box = el("table.results", {}, el("caption.unseen", {}, `Results of ${clean(table.title)}`), head);
    const foot = el("div.table-foot");
    const scroller = el("div.scroller", { tabindex: "0", role: "region", "aria-label": "Results" }, box);
    const bar = filters.bar(table);
    const update = (changed) => {
      bar.follow();
      const moved = document.activeElement?.dataset?.sort;
      if (!changed || changed.has("hide")) head.replaceChildren(...heads(table));
      markOrder(table, head);
      if (moved) head.querySelector(`[data-sort="${CSS.escape(moved)}"]`)?.focus();
      const left = filters.lines(table);
      fill(table, box, foot, left);
      if (changed) announce(said(table, left));
    };
    update(null);
    return {
      node: el("section.block", { id: "at-results", "aria-labelledby": "h-results" },
        el("h3.unseen", { id: "h-results", tabindex: "-1" }, "Results"), bar.node, scroller, foot),
      update,
    };
  }

  function said(table, left) {
    const { key, descending } = rows.order(table);
    return `Sorted by ${title(table, key)}, ${descending ? "descending" : "ascending"}; ${left.length} of ${plural(table.lines.length, "row")} shown.`;
  }

  function title(table, key) {
    return key.startsWith("c") ? columnTitle(table.columns[Number(key.slice(1))]) : key;
  }

  // Two rows of heads where there are several fractions: the metric over its fractions.
  function heads(table) {
    const columns = filters.columns(table);
    const deep = new Set(table.columns.map((column) => column.fraction)).size > 1;
    const down = deep ? { rowspan: "2" } : {};
    const start = [sortable("th.rank", down, "rank", "#", "Rank"), sortable("th.method", down, "method", "Method")];
    const end = [
      sortable("th.number", down, "n", "n", "Test samples"),
      sortable("th.number", down, "seeds", "Seeds"),
      sortable("th", down, "pretraining", "Pretraining"),
    ];
    if (!deep) return [el("tr", {}, start, columns.map((index) => metric(table, index, true)), end)];
    return [
      el("tr", {}, start, runs(table, columns).map(([column, length]) =>
        el("th.number.span", { scope: "colgroup", colspan: String(length) },
          el("span.clamp", { title: columnTitle(column, { fraction: false }) }, columnTitle(column, { fraction: false }), " ", unit(column)))), end),
      el("tr", {}, columns.map((index) => metric(table, index, false))),
    ];
  }

  function runs(table, columns) {
    const found = [];
    for (const index of columns) {
      const last = found.at(-1);
      if (last && family(last[0]) === family(table.columns[index])) last[1] += 1;
      else found.push([table.columns[index], 1]);
    }
    return found;
  }

  function unit(column) {
    const arrow = column.higher_is_better === true ? "↑" : column.higher_is_better === false ? "↓" : "";
    const words = { "↑": "higher is better", "↓": "lower is better" }[arrow];
    return el("span.unit", {}, column.unit === "plain" ? "" : "%", arrow && el("span", { title: words, "aria-hidden": "true" }, arrow),
      words && el("span.unseen", {}, ` ${words}`));
  }

  function metric(table, index, alone) {
    const column = table.columns[index];
    const text = alone ? columnTitle(column, { fraction: column.fraction !== 1 }) : fractionName(column.fraction);
    const place = index === table.ranking ? "th.number.ranking" : "th.number";
    return sortable(place, {}, `c${index}`, text, alone ? text : columnTitle(column), alone ? unit(column) : null);
  }

  function sortable(place, attributes, key, text, full = text, after = null) {
    return el(place, { ...attributes, scope: "col" },
      el("button.sort", { type: "button", "data-sort": key, title: full, "aria-label": full === text ? null : full, onclick: () => sort(key) },
        el("span.clamp", {}, text, after && " ", after)));
  }

  // A metric starts with its best, all else with the smallest; a second press turns it round.
  function sort(key) {
    const table = state.table();
    const now = rows.order(table);
    const column = key.startsWith("c") ? table.columns[Number(key.slice(1))] : null;
    const first = column !== null && column.higher_is_better !== false;
    const descending = now.key === key ? !now.descending : first;
    state.set({ sort: key === "rank" && !descending ? "" : `${descending ? "-" : ""}${key}` });
  }

  function markOrder(table, head) {
    const { key, descending } = rows.order(table);
    for (const button of head.querySelectorAll("[data-sort]")) {
      const chosen = button.dataset.sort === key;
      button.parentElement.setAttribute("aria-sort", chosen ? (descending ? "descending" : "ascending") : "none");
    }
  }

  function fill(table, box, foot, left) {
    const columns = filters.columns(table);
    const notes = rows.numbering();
    const refresh = () => foot.replaceChildren(...legend(table, notes));
    for (const body of [...box.tBodies]) body.remove();
    for (const [kind, heading] of PARTS) {
      const lines = left.filter((line) => filters.group(line) === kind);
      if (lines.length) box.append(part(table, rows.sorted(table, lines), columns, notes, heading, refresh));
    }
    if (!left.length) {
      box.append(el("tbody", {}, el("tr", {}, el("td.empty", { colspan: String(columns.length + 5) }, "No row fits these settings."))));
    }
    refresh();
  }

  function part(table, lines, columns, notes, heading, refresh) {
    const width = String(columns.length + 5);
    const body = el("tbody", {}, heading && el("tr.part", {}, el("th", { colspan: width, scope: "rowgroup" }, el("span", {}, heading))));
    let shown = 0;
    const button = el("button.more", { type: "button" });
    const more = el("tr.rest", {}, el("td", { colspan: width }, button));
    const grow = () => {
      const next = lines.slice(shown, shown + STEP).map((line) => rows.row(table, line, columns, notes));
      more.remove();
      body.append(...next);
      if (shown) next[0].querySelector("button")?.focus();
      shown += next.length;
      if (shown < lines.length) body.append(more);
      button.textContent = `Show ${Math.min(STEP, lines.length - shown)} more of ${lines.length}`;
    };
    button.addEventListener("click", () => {
      grow();
      refresh();
    });
    grow();
    return body;
  }

  function legend(table, notes) {
    const cells = table.lines.flatMap((line) => line.cells).filter(Boolean);
    const said = [
      cells.some((cell) => cell.tied) && [el("strong", {}, "bold"), " best, or not significantly worse than the best"],
      cells.some((cell) => cell.low !== undefined) && "[ ] 95 % interval over test patients",
      cells.some((cell) => cell.deviation !== undefined) && "± standard deviation over seeds",
      cells.some((cell) => cell.not_above_floor) && "† interval not above the best trivial answer",
      cells.some((cell) => cell.records?.length) && "a press on a number shows its records",
    ].filter(Boolean);
    return [
      said.length > 0 && el("ul.legend", {}, said.map((line) => el("li", {}, line))),
      notes.texts().length > 0 && el("ol.notes", {}, notes.texts().map((note) => el("li", {}, report.base.note(note)))),
    ].filter(Boolean);
  }

  return { draw };
})();
