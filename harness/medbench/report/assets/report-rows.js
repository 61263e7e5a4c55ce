"use strict";
// The rows of a table: their order, and what stands in a cell.
report.rows = (() => {
  const { el, clean, name, lineName, format, interval, range } = report.base;
  const { state } = report;
  const FIXED = {
    rank: (line) => line.rank ?? null,
    method: (line) => clean(lineName(line)).toLowerCase(),
    n: (line) => line.test_n?.[0] ?? null,
    seeds: (line) => line.seeds?.[0] ?? null,
    pretraining: (line) => line.contamination || null,
  };

  /** The order asked for: a key and a direction. Nothing asked: by rank. */
  function order(table) {
    const text = state.get().sort;
    const key = text.replace(/^-/, "");
    const known = Object.hasOwn(FIXED, key) || columnOf(table, key) !== null;
    return known && key ? { key, descending: text.startsWith("-") } : { key: "rank", descending: false };
  }

  /** `c3` is the fourth column of the table. */
  function columnOf(table, key) {
    const found = /^c(\d+)$/.exec(key);
    return found && Number(found[1]) < table.columns.length ? Number(found[1]) : null;
  }

  /** Lines in the order asked for; what has no value comes last, equal ones keep the order of the leaderboard. */
  function sorted(table, lines) {
    const { key, descending } = order(table);
    const column = columnOf(table, key);
    const read = column === null ? FIXED[key] : (line) => line.cells[column]?.value ?? null;
    const sign = descending ? -1 : 1;
    return lines
      .map((line) => ({ line, by: read(line) }))
      .sort((a, b) => {
        if (a.by === null || b.by === null) return Number(a.by === null) - Number(b.by === null);
        return a.by < b.by ? -sign : a.by > b.by ? sign : 0;
      })
      .map(({ line }) => line);
  }

  /** Notes in the order they are first met; the same text has the same number. */
  function numbering() {
    const seen = new Map();
    return {
      number: (text) => {
        if (!seen.has(text)) seen.set(text, seen.size + 1);
        return seen.get(text);
      },
      texts: () => [...seen.keys()],
    };
  }

  function row(table, line, columns, notes) {
    return el(`tr.${report.filters.group(line)}`, {},
      el("td.rank", {}, line.kind === "method" ? (line.rank === undefined ? "–" : String(line.rank)) : ""),
      el("th.method", { scope: "row" }, name(line.name, 70),
        line.qualifier && el("span.under", {}, name(line.qualifier, 70)),
        line.source && el("span.under", {}, name(line.source, 160)),
        line.kind === "ceiling" && el("span.under", {}, "ceiling")),
      columns.map((index) => cell(table, line, index, notes)),
      el("td.number", {}, line.test_n?.length ? range(line.test_n) : ""),
      el("td.number", {}, line.seeds?.length ? range(line.seeds) : ""),
      el("td", {}, line.contamination ? el("span.chip", { "data-kind": line.contamination }, clean(line.contamination)) : ""));
  }

  function cell(table, line, index, notes) {
    const value = line.cells[index];
    const column = table.columns[index];
    const ranking = index === table.ranking ? "td.number.ranking" : "td.number";
    if (!value) return el(ranking, {}, el("span.none", {}, "–"));
    const shown = value.text || (typeof value.value === "number" ? format(value.value, column.unit) : "–");
    const marks = (value.notes ?? []).map((note) => el("sup", {}, String(notes.number(clean(note)))));
    const spread = interval(value, column.unit);
    return el(ranking, {},
      figure(table, line, index, shown, value),
      deviation(table, index, value),
      el("span.marks", {},
        value.tied && el("span.unseen", {}, " best or not significantly worse"),
        value.not_above_floor && el("span.dagger", { title: "not above the best floor" }, "†", el("span.unseen", {}, " not above the best floor")),
        marks),
      spread && el("span.spread", {}, spread),
      typeof value.difference === "number" && el("span.spread", {}, `ours ${signed(value.difference, column.unit)}`));
  }

  // Where one row of the column has a deviation all keep its room, so that the values stay in line.
  function deviation(table, index, value) {
    if (!table.lines.some((line) => line.cells[index]?.deviation !== undefined)) return null;
    return el("span.deviation", {}, value.deviation === undefined ? "" : `±${format(value.deviation, table.columns[index].unit)}`);
  }

  function signed(difference, unit) {
    return `${difference < 0 ? "−" : "+"}${format(Math.abs(difference), unit)}`;
  }

  function figure(table, line, index, shown, value) {
    const classes = `value${value.tied ? ".tied" : ""}${value.not_above_floor ? ".weak" : ""}`;
    if (!value.records?.length) return el(`span.${classes}`, {}, shown);
    return el(`button.${classes}`, {
      type: "button", "aria-haspopup": "dialog", onclick: () => report.details.open(table, line, index),
    }, shown);
  }

  return { order, sorted, row, numbering };
})();
