"use strict";
// A metric by class or subgroup: dots with intervals, and the numbers.
report.groups = (() => {
  const { el, clipped, name, note, format, interval, count, plural, select } = report.base;
  const { state, series, dots } = report;
  const STEP = 24;

  /** The section, or null where no method has groups. */
  function draw(table) {
    const views = table.groups ?? [];
    if (!views.length) return null;
    const body = el("div");
    const chosen = () => views[Number(state.get().group || 0)] ?? views[0];
    const options = views.map((view, index) => [String(index), clipped(`${view.grouping}: ${view.metric}`, 60)]);
    const position = () => String(views.indexOf(chosen()));
    const control = views.length > 1 && select("By", options, position(), (value) => state.set({ group: value }));
    const show = () => {
      if (control) control.follow(position());
      body.replaceChildren(...content(chosen()));
    };
    show();
    return {
      node: el("section.block", { id: "at-groups", "aria-labelledby": "h-groups" },
        el("div.block-head", {}, el("h3", { id: "h-groups", tabindex: "-1" }, "Classes and subgroups"),
          control),
        kept(table, views),
        body),
      update: show,
    };
  }

  // Which trials these numbers are of: a table's own are means over seeds.
  function kept(table, views) {
    const methods = plural(Math.max(...views.map((view) => view.methods.length)), "method");
    return table.kept_of && el("p.kept.quiet", {}, `Of kept predictions of the best ${methods}: `, note(table.kept_of), ".");
  }

  function content(view) {
    const looks = series.looks(view.methods);
    const shown = series.first(looks.length);
    let limit = STEP;
    const box = series.responsive((width) => chart(view, looks, shown, limit, width));
    const more = el("button.more", { type: "button" }, `Show all ${view.groups.length} groups`);
    more.hidden = view.groups.length <= limit;
    more.addEventListener("click", () => {
      limit = view.groups.length;
      more.hidden = true;
      box.redraw();
    });
    return [
      el("figure", {}, box.node, series.key(looks, shown, box.redraw)),
      more,
      el("details.numbers", {}, el("summary", {}, "Numbers by group"), numbers(view)),
    ];
  }

  function chart(view, looks, shown, limit, width) {
    const put = (value) => (value === undefined ? undefined : series.scaled(value, view.unit));
    const items = view.groups.slice(0, limit).map((group, column) => ({
      label: label(view, group, column),
      marks: looks.flatMap((look, row) => {
        const cell = view.values[row][column];
        if (!shown.has(row) || typeof cell?.value !== "number") return [];
        return [{
          value: put(cell.value), low: put(cell.low), high: put(cell.high), colour: look.colour, symbol: look.symbol,
          title: `${clipped(group, 40)} · ${clipped(look.name, 40)}\n${cell.text || format(cell.value, view.unit)} ${interval(cell, view.unit)}`,
        }];
      }),
    })).filter((item) => item.marks.length);
    if (!items.length) return el("p.quiet", {}, "No number for the methods chosen.");
    return dots.draw(items, {
      width,
      axis: clipped(view.metric, 60) + (view.unit === "plain" ? "" : " (%)"),
      label: `${clipped(view.metric, 60)} by ${clipped(view.grouping, 60)}`,
    });
  }

  function label(view, group, column) {
    const size = view.sizes[column];
    return `${clipped(group, 24)}${typeof size === "number" ? ` · n ${count(size)}` : ""}`;
  }

  function numbers(view) {
    return el("div.scroller.flat", { tabindex: "0", role: "region", "aria-label": "Numbers by group" },
      el("table.results.plain-table", {},
        el("caption.unseen", {}, `${clipped(view.metric, 60)} by ${clipped(view.grouping, 60)}`),
        el("thead", {}, el("tr", {}, el("th.method", { scope: "col" }, name(view.grouping, 40)), el("th.number", { scope: "col" }, "n"),
          view.methods.map((method) => el("th.number", { scope: "col" }, name(method, 40))))),
        el("tbody", {}, view.groups.map((group, column) => el("tr", {},
          el("th.method", { scope: "row" }, name(group, 60)),
          el("td.number", {}, typeof view.sizes[column] === "number" ? count(view.sizes[column]) : "–"),
          view.methods.map((_, row) => {
            const cell = view.values[row][column];
            if (typeof cell?.value !== "number") return el("td.number", {}, "–");
            return el("td.number", {}, el("span.value", {}, cell.text || format(cell.value, view.unit)),
              el("span.spread", {}, interval(cell, view.unit)));
          }))))));
  }

  return { draw };
})();
