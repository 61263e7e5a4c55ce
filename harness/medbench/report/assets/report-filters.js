"use strict";
// Which rows and metrics of a table are shown.
report.filters = (() => {
  const { el, clean, clipped, family, select, lineName } = report.base;
  const { state } = report;
  const KINDS = { method: "Methods", reported: "Reported", floor: "Floors and ceilings" };

  /** The row of controls over a table; `follow` sets them to what the address says. */
  function bar(table) {
    const now = state.get();
    const kinds = Object.keys(KINDS).filter((kind) => table.lines.some((line) => group(line) === kind));
    const metrics = [...new Map(table.columns.map((column) => [family(column), clipped(column.title, 60)]))];
    const declared = new Set(table.lines.map((line) => line.contamination ?? "").filter(Boolean));
    const words = el("input", {
      type: "search", id: "row-filter", value: now.q, autocomplete: "off", spellcheck: "false",
      oninput: (event) => state.set({ q: event.target.value }),
    });
    const pretraining = declared.size > 1 && select("Pretraining",
      [["", "any"], ...["clean", "overlaps", "undeclared"].filter((one) => declared.has(one)).map((one) => [one, one])],
      now.pretraining, (value) => state.set({ pretraining: value }));
    const node = el("div.filters", { role: "group", "aria-label": "What the table shows" },
      el("label.field", {}, el("span", {}, "Filter by name"), words),
      pretraining,
      kinds.length > 1 && choices("Rows", kinds.map((kind) => [kind, KINDS[kind]]), "kinds"),
      metrics.length > 1 && menu(metrics));
    return { node, follow: () => follow(node, words, pretraining) };
  }

  function follow(node, words, pretraining) {
    const now = state.get();
    if (words.value !== now.q) words.value = now.q; // setting it anew would move the cursor
    if (pretraining) pretraining.follow(now.pretraining);
    for (const input of node.querySelectorAll("input[data-key]")) {
      input.checked = !now[input.dataset.key].split(",").includes(input.value);
    }
  }

  function choices(legend, options, key) {
    const off = () => new Set(state.get()[key].split(",").filter(Boolean));
    return el("fieldset.choices", {}, el("legend", {}, legend),
      options.map(([value, text]) => el("label", {},
        el("input", {
          type: "checkbox", "data-key": key, value, checked: !off().has(value),
          onchange: (event) => {
            const next = off();
            if (event.target.checked) next.delete(value);
            else next.add(value);
            state.set({ [key]: [...next].join(",") });
          },
        }), el("span", {}, text))));
  }

  // Metrics are told apart by position in the address: their names may hold anything.
  function menu(metrics) {
    const box = el("details.metrics", {}, el("summary", {}, "Metrics"),
      choices("Metrics", metrics.map(([, title], index) => [String(index), title]), "hide"));
    box.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !box.open) return;
      box.open = false;
      box.firstChild.focus();
    });
    addEventListener("pointerdown", (event) => {
      if (box.open && !box.contains(event.target)) box.open = false;
    });
    return box;
  }

  function group(line) {
    return line.kind === "ceiling" ? "floor" : line.kind;
  }

  /** The lines that the settings leave. */
  function lines(table) {
    const now = state.get();
    const words = clean(now.q).toLowerCase().split(" ").filter(Boolean);
    const off = new Set(now.kinds.split(","));
    return table.lines.filter((line) => {
      const own = clean(`${lineName(line)} ${line.source ?? ""}`).toLowerCase();
      return (
        !off.has(group(line)) &&
        words.every((word) => own.includes(word)) &&
        (!now.pretraining || line.kind !== "method" || (line.contamination ?? "") === now.pretraining)
      );
    });
  }

  /** Positions of the columns that are shown; never none. */
  function columns(table) {
    const metrics = [...new Set(table.columns.map(family))];
    const hidden = new Set(state.get().hide.split(",").filter(Boolean).map((index) => metrics[Number(index)]));
    const all = table.columns.map((_, index) => index);
    const left = all.filter((index) => !hidden.has(family(table.columns[index])));
    return left.length ? left : all;
  }

  return { bar, lines, columns, group };
})();
