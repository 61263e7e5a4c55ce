"use strict";
// A metric over the share of the training data, or over methods where there is one share only.
report.curves = (() => {
  const { el, clipped, lineName, family, format, interval, fractionName, columnTitle, select, plural } = report.base;
  const { state, series, dots } = report;
  const NARROW = 620;
  const STEP = 30;

  /** The section, or null where the table holds no number. */
  function draw(table) {
    const metrics = [...Map.groupBy(table.columns.map((_, index) => index), (index) => family(table.columns[index])).values()]
      .map((indices) => indices.sort((a, b) => table.columns[a].fraction - table.columns[b].fraction));
    if (!table.lines.some((line) => line.kind === "method" && line.cells.some(hasNumber))) return null;
    const ranking = Math.max(0, metrics.findIndex((indices) => indices.includes(table.ranking)));
    const options = metrics.map((indices, place) => [String(place), columnTitle(table.columns[indices[0]], { fraction: false })]);
    const body = el("div");
    const position = () => (metrics[Number(state.get().metric || ranking)] ? Number(state.get().metric || ranking) : ranking);
    const control = metrics.length > 1 && select("Metric", options, String(position()), (value) => state.set({ metric: value }));
    const show = () => {
      if (control) control.follow(String(position()));
      body.replaceChildren(...content(table, metrics[position()]));
    };
    show();
    const several = metrics.some((indices) => indices.length > 1);
    return {
      node: el("section.block", { id: "at-chart", "aria-labelledby": "h-chart" },
        el("div.block-head", {}, el("h3", { id: "h-chart", tabindex: "-1" }, several ? "Label efficiency" : "Values and intervals"),
          control),
        body),
      update: show,
    };
  }

  // A figure that may not be compared is in the table with its note, and on no axis.
  function hasNumber(cell) {
    return typeof cell?.value === "number" && cell.comparable !== false;
  }

  function isReported(line) {
    return line.kind === "reported";
  }

  function title(line) {
    return lineName(line) + (isReported(line) ? ", reported" : "");
  }

  function boundsNamed(bounds) {
    return bounds.some((line) => line.kind === "ceiling") ? "trivial answers and ceilings" : "trivial answers";
  }

  function content(table, indices) {
    const lines = table.lines.filter((line) => indices.some((index) => hasNumber(line.cells[index])));
    const methods = [...lines.filter((line) => line.kind === "method"), ...lines.filter(isReported)];
    const bounds = lines.filter((line) => line.kind === "floor" || line.kind === "ceiling");
    if (!methods.length) return [el("p.quiet", {}, "No method has this metric.")];
    const unfit = table.lines.filter((line) => indices.some((index) => line.cells[index]?.comparable === false)).length;
    const nodes = indices.length > 1 ? efficiency(table, indices, methods, bounds) : comparison(table, indices[0], methods, bounds);
    return unfit ? [...nodes, el("p.quiet", {}, `Not drawn, as not comparable: reported figures of ${plural(unfit, "row")}.`)] : nodes;
  }

  function efficiency(table, indices, methods, bounds) {
    const looks = series.looks(methods.map((line) => ({ name: title(line), muted: isReported(line) })));
    const shown = series.first(methods.length);
    const box = series.responsive((width) => {
      const chosen = methods.map((line, index) => ({ line, look: looks[index] })).filter((_, index) => shown.has(index));
      return curve(table, indices, chosen, bounds, width);
    });
    const said = ["Bars: 95 % interval over test patients."];
    if (methods.some(isReported)) said.push("Dotted grey, with hollow points: reported by a paper.");
    if (bounds.length) said.push(`Dashed grey, without points: ${boundsNamed(bounds)}.`);
    return [el("figure", {}, box.node, el("figcaption.quiet", {}, said.join(" ")),
      series.key(looks, shown, box.redraw))];
  }

  function curve(table, indices, chosen, bounds, width) {
    const first = table.columns[indices[0]];
    const unit = first.unit;
    const narrow = width < NARROW;
    const fractions = indices.map((index) => table.columns[index].fraction);
    const drawn = chosen.map(({ line, look }, index) => ({ look, points: points(table, indices, line, look, side(index, chosen.length, fractions)) }));
    const all = drawn.flatMap(({ points: found }) => found);
    const [kept, left] = floors(table, indices, bounds, all);
    const y = extent([...all, ...kept.flatMap((bound) => bound.points)]);
    const height = narrow ? 300 : 380;
    const labels = narrow ? [] : endLabels(drawn, y, height - 60);
    const named = narrow ? [] : apart(kept, y, height - 60);
    const unnamed = kept.filter((bound) => !named.some((one) => one.label === bound.label));
    const ends = Math.max(...fractions);
    const chart = series.plot(`${clipped(first.title, 60)} over the share of the training data`, {
      width, height, marginTop: 18, marginBottom: 42, marginLeft: 44, marginRight: narrow ? 12 : 190,
      x: { type: "log", domain: [Math.min(...fractions) / 1.25, ends * 1.25], label: "Share of the training data", labelAnchor: "center", labelArrow: "none", ticks: fractions, tickFormat: fractionName, tickSize: 0 },
      y: { domain: y, label: clipped(first.title, 60) + (unit === "plain" ? "" : " (%)"), labelArrow: "none", tickSize: 0 },
      marks: [
        Plot.gridY({ stroke: "var(--line)", strokeOpacity: 1 }),
        ...kept.map((bound) => Plot.line(bound.points, { x: "x", y: "value", stroke: "var(--quiet)", strokeDasharray: "4,3" })),
        Plot.text(named, { x: "x", y: "value", text: "label", fill: "var(--quiet)", textAnchor: "start", dy: -8 }),
        Plot.ruleX(all.filter((point) => point.low !== undefined), { x: "x", y1: "low", y2: "high", stroke: "colour", strokeOpacity: 0.5, strokeWidth: 1.5 }),
        ...drawn.map(({ look, points: found }) => Plot.line(found, { x: "x", y: "value", stroke: look.colour, strokeWidth: 2, strokeDasharray: look.dash })),
        ...drawn.map(({ look, points: found }) => Plot.dot(found, { x: "x", y: "value", symbol: look.symbol, r: 4, fill: look.muted || look.symbol === "plus" ? "var(--paper)" : look.colour, stroke: look.colour, strokeWidth: 1.8 })),
        Plot.link(labels, { x1: "x", y1: "value", x2: ends * 1.25, y2: "at", stroke: "colour", strokeOpacity: 0.6 }),
        Plot.text(labels, { x: ends * 1.25, y: "at", text: "label", textAnchor: "start", dx: 5, fill: "var(--ink)" }),
        Plot.tip(all, Plot.pointer({ x: "x", y: "value", title: "title", maxRadius: 30 })),
      ],
    });
    return [chart, dots.told(unnamed.map((bound) => ({ label: bound.label, text: bound.points.map((point) => point.text).join(", ") }))), left.length > 0 && el("p.quiet", {}, `Below or above the chart: ${left.join("; ")}.`)];
  }

  // Names of bounds that have room over their lines; the others are told of under the chart.
  function apart(kept, [low, high], height) {
    const found = [];
    for (const bound of [...kept].sort((a, b) => a.points[0].value - b.points[0].value)) {
      const point = { ...bound.points[0], label: bound.label };
      if (!found.length || ((point.value - found.at(-1).value) / (high - low)) * height > 16) found.push(point);
    }
    return found;
  }

  // Lines at one share lie side by side, so that no interval hides another.
  function side(index, total, fractions) {
    const span = Math.log(Math.max(...fractions) / Math.min(...fractions)) || 1;
    return Math.exp((index - (total - 1) / 2) * Math.min(0.011, 0.08 / total) * span);
  }

  function points(table, indices, line, look, shift) {
    return indices.filter((index) => hasNumber(line.cells[index])).map((index) => {
      const column = table.columns[index];
      const cell = line.cells[index];
      const put = (value) => (value === undefined ? undefined : series.scaled(value, column.unit));
      return {
        x: column.fraction * shift, value: put(cell.value), low: put(cell.low), high: put(cell.high), colour: look.colour, text: cell.text || format(cell.value, column.unit),
        title: `${clipped(title(line), 50)}${line.source ? ` (${clipped(line.source, 60)})` : ""}\n${fractionName(column.fraction)}: ${cell.text || format(cell.value, column.unit)} ${interval(cell, column.unit)}`,
      };
    });
  }

  // A bound that lies far from all methods would press them flat: it is told of under the chart.
  function floors(table, indices, bounds, all) {
    const [low, high] = extent(all);
    const room = 1.2 * (high - low);
    const kept = [];
    const left = [];
    for (const line of bounds) {
      const found = points(table, indices, line, { colour: "" }, 1);
      const label = clipped(lineName(line), 40);
      const inside = found.every((point) => point.value > low - room && point.value < high + room);
      if (inside) kept.push({ label, points: found });
      else left.push(`${label} ${found.map((point) => point.title.split("\n")[1].trim()).join(", ")}`);
    }
    return [kept, left];
  }

  function extent(all) {
    const numbers = all.flatMap((point) => [point.value, point.low ?? point.value, point.high ?? point.value]);
    const [low, high] = [Math.min(...numbers), Math.max(...numbers)];
    const room = (high - low || Math.abs(high) || 1) * 0.04;
    return [low - room, high + room];
  }

  // Names at the ends of their lines, pushed apart where they would touch.
  function endLabels(drawn, [low, high], height) {
    const gap = (15 / height) * (high - low);
    const labels = drawn.filter(({ points: found }) => found.length).map(({ look, points: found }) => {
      const last = found.at(-1);
      return { x: last.x, value: last.value, at: last.value, label: clipped(look.name, 26), colour: look.colour };
    }).sort((a, b) => b.value - a.value);
    labels.forEach((label, index) => {
      if (index) label.at = Math.min(label.at, labels[index - 1].at - gap);
    });
    const under = low - (labels.at(-1)?.at ?? low);
    if (under > 0) for (const label of labels) label.at += under;
    return labels;
  }

  function comparison(table, index, methods, bounds) {
    const column = table.columns[index];
    const better = column.higher_is_better === false ? 1 : -1;
    const ordered = [...methods].sort((a, b) => isReported(a) - isReported(b) || better * (a.cells[index].value - b.cells[index].value));
    const put = (value) => (value === undefined ? undefined : series.scaled(value, column.unit));
    let limit = STEP;
    const box = series.responsive((width) => dots.draw(ordered.slice(0, limit).map((line) => {
      const cell = line.cells[index];
      return {
        label: title(line),
        marks: [{
          value: put(cell.value), low: put(cell.low), high: put(cell.high), hollow: Boolean(cell.not_above_floor) || isReported(line),
          symbol: isReported(line) ? "diamond2" : "circle", colour: cell.tied ? "var(--accent)" : isReported(line) ? "var(--quiet)" : "var(--ink-soft)",
          title: `${clipped(title(line), 60)}${line.source ? ` (${clipped(line.source, 60)})` : ""}\n${cell.text || format(cell.value, column.unit)} ${interval(cell, column.unit)}`,
        }],
      };
    }), {
      width,
      axis: clipped(column.title, 60) + (column.unit === "plain" ? "" : " (%)"),
      label: `${columnTitle(column)} of ${plural(ordered.length, "row")}`,
      references: bounds.filter((line) => hasNumber(line.cells[index])).map((line) => ({
        value: put(line.cells[index].value), label: lineName(line), text: line.cells[index].text || format(line.cells[index].value, column.unit),
      })),
    }));
    const more = el("button.more", { type: "button" }, `Show all ${ordered.length}`);
    more.hidden = ordered.length <= limit;
    more.addEventListener("click", () => {
      limit = ordered.length;
      more.hidden = true;
      box.redraw();
    });
    const said = [];
    if (ordered.some((line) => line.cells[index].low !== undefined)) said.push("Bars: 95 % interval.");
    if (ordered.some((line) => line.cells[index].tied)) said.push("Blue: best, or not significantly worse.");
    if (ordered.some((line) => line.cells[index].not_above_floor)) said.push("Hollow circle: not above the best trivial answer.");
    if (ordered.some(isReported)) said.push("Grey diamond: reported by a paper.");
    if (bounds.length) said.push(`Dashed: ${boundsNamed(bounds)}.`);
    return [el("figure", {}, box.node, el("figcaption.quiet", {}, said.join(" "))), more];
  }

  return { draw };
})();
