"use strict";
// What stands behind a number: its records, in a dialog.
report.details = (() => {
  const { payload, el, clean, clipped, name, lineName, format, interval, columnTitle, fractionName, count, plural, announce } = report.base;
  const box = document.getElementById("details");

  box.addEventListener("click", (event) => {
    if (event.target === box) box.close();
  });

  /** Opens the dialog on one cell. Escape closes it, and the focus returns to the number. */
  function open(table, line, index) {
    const column = table.columns[index];
    const value = line.cells[index];
    const records = value.records.map((position) => payload.records[position]).filter(Boolean);
    box.replaceChildren(el("div", {},
      el("div.details-head", {},
        el("div", {},
          el("h2", { id: "details-title" }, name(lineName(line), 120)),
          el("p.quiet", {}, name(table.title, 80), " · ", columnTitle(column))),
        el("button.plain", { type: "button", onclick: () => box.close() }, "Close")),
      el("p.reading", {},
        el("span.figure", {}, value.text || "–"), column.unit !== "plain" && value.text && el("span.unit", {}, " %"),
        value.low !== undefined && el("span", {}, `95 % interval ${interval(value, column.unit)}`),
        value.deviation !== undefined && el("span", {}, `± ${format(value.deviation, column.unit)} over ${plural(value.seeds ?? 1, "seed")}`)),
      said(value).map((text) => el("p.quiet", {}, text)),
      (value.notes ?? []).map((note) => el("p.quiet", {}, report.base.note(note))),
      records.map((record, position) => one(table, record, position === 0, records.length)),
    ));
    box.showModal();
    box.scrollTop = 0;
  }

  function said(value) {
    const p = value.p_value;
    return [
      typeof p === "number" && `Difference from the best of the column: p ${p < 0.001 ? "< 0.001" : `= ${p.toFixed(3)}`} (paired bootstrap, Holm-corrected).`,
      value.untested && `Not tested against the best: ${clipped(value.untested, 400)}`,
      value.not_above_floor && "The interval is not above the best trivial answer.",
    ].filter(Boolean);
  }

  function one(table, record, open, total) {
    const title = `Seed ${record.seed}, ${fractionName(record.fraction)} of the training data`;
    const body = [
      key(record.key),
      metrics(table, record),
      group("Trial", [
        ["Task", record.task], ["Method", record.method], ["Split", record.split],
        ["Training samples", count(record.train_n)], ["Test samples", count(record.test_n)],
        ["Phantom", record.phantom ? "yes: generated data" : "no"],
      ]),
      group(`Recipe ${clipped(payload.recipes[record.recipe]?.name ?? "", 80)}`, flat(payload.recipes[record.recipe]?.values ?? {})),
      group("Weights and data", [["Checkpoint SHA-256", record.checkpoint], ["Manifest SHA-256", record.manifest]]),
      group("Run", [
        ["medbench", record.medbench], ["Source revision", record.revision], ["Device", record.device],
        ["Precision", record.precision], ["Started", record.started], ["Duration", duration(record.duration_s)],
        ["Peak memory", `${count(Math.round(record.peak_memory_mib))} MiB`],
        ["Images per second", record.images_per_second],
      ]),
      group("Versions", Object.entries(payload.versions[record.versions] ?? {})),
      group("Notes", Object.entries(record.notes ?? {})),
    ];
    return total === 1 ? el("div.record", {}, body) : el("details.record", { open }, el("summary", {}, title), body);
  }

  function key(text) {
    const button = el("button.plain", { type: "button", onclick: () => copy(text, button) }, "Copy key");
    return el("p.key", {}, el("span.quiet", {}, "Key"), el("code", {}, clean(text)), button);
  }

  async function copy(text, button) {
    let done = true;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      done = copyBySelection(button.previousSibling);
    }
    button.textContent = done ? "Copied" : "Select and copy";
    announce(button.textContent);
    setTimeout(() => (button.textContent = "Copy key"), 2000);
  }

  // Where the browser keeps its clipboard from local files, the old way is left.
  function copyBySelection(node) {
    getSelection().selectAllChildren(node);
    return document.execCommand("copy");
  }

  function metrics(table, record) {
    const known = new Map(table.columns.map((column) => [column.metric, column]));
    const found = Object.entries(record.metrics ?? {});
    if (!found.length) return null;
    return el("div.scroller.flat", { tabindex: "0", role: "region", "aria-label": "Metrics of the record" },
      el("table.results.plain-table", {},
        el("caption.unseen", {}, "Metrics of the record"),
        el("thead", {}, el("tr", {}, ["Metric", "Value", "95 % interval", "As stored"].map((head, index) =>
          el(index ? "th.number" : "th", { scope: "col" }, head)))),
        el("tbody", {}, found.map(([metric, [value, low, high]]) => {
          const column = known.get(metric);
          const write = (number) => (number === null ? "–" : column ? format(number, column.unit) : String(number));
          return el("tr", {},
            el("th", { scope: "row" }, name(column ? column.title : metric, 60)),
            el("td.number", {}, write(value)),
            el("td.number", {}, low === null || high === null ? "–" : `[${write(low)}, ${write(high)}]`),
            el("td.number.quiet", {}, value === null ? "–" : String(value)));
        }))));
  }

  function group(title, pairs) {
    const known = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
    if (!known.length) return null;
    return el("div.facts", {}, el("h3", {}, title),
      el("dl", {}, known.map(([term, value]) => [el("dt", {}, name(term, 60)), el("dd", {}, el("bdi", {}, clean(value)))])));
  }

  /** Nested settings by their dotted names. */
  function flat(values, prefix = "") {
    return Object.entries(values).flatMap(([field, value]) =>
      value !== null && typeof value === "object" && !Array.isArray(value)
        ? flat(value, `${prefix}${field}.`)
        : [[`${prefix}${field}`, typeof value === "string" ? value : JSON.stringify(value)]]);
  }

  function duration(seconds) {
    if (seconds < 120) return `${seconds.toFixed(1)} s`;
    const minutes = Math.round(seconds / 60);
    return minutes < 120 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  }

  return { open };
})();
