"use strict";
// Dots with intervals, a row a name: of methods in one column, or of groups with a dot a method.
report.dots = (() => {
  const { el, clipped } = report.base;
  const { plot } = report.series;
  const NARROW = 560;
  const DOT = 12;
  const LINE = 15;

  /**
   * `items`: {label, marks: [{value, low, high, colour, symbol, hollow, title}]}, numbers in the units of the axis.
   * `references`: {value, label, text}, drawn as dashed lines. Gives what is to stand in the chart's box.
   */
  function draw(items, { width, axis, label, references = [] }) {
    const narrow = width < NARROW;
    const rows = placed(items, narrow);
    const height = rows.at(-1).bottom;
    const marks = rows.flatMap((row) => row.marks);
    const marginLeft = narrow ? 6 : Math.min(250, 18 + 6.8 * Math.max(...rows.map((row) => clipped(row.label, 34).length)));
    const limits = domain(marks, references);
    const names = narrow ? [] : named(references, limits, marginLeft, width - 14);
    const marginTop = 6 + LINE * (names.length ? 1 + Math.max(...names.map((one) => one.row)) : 0);
    const chart = plot(label, {
      width,
      height: marginTop + height + 40,
      marginTop,
      marginLeft,
      marginRight: 14,
      marginBottom: 40,
      x: { domain: limits, label: axis, labelAnchor: "right", labelArrow: "none", ticks: narrow ? 4 : 8, tickSize: 0 },
      y: { axis: null, domain: [0, height], range: [marginTop, marginTop + height] },
      marks: [
        Plot.gridX({ ticks: narrow ? 4 : 8, stroke: "var(--line)", strokeOpacity: 1 }),
        narrow ? null : Plot.ruleY(rows.slice(1), { y: "top", stroke: "var(--line)", strokeOpacity: 0.6 }),
        Plot.ruleX(references, { x: "value", stroke: "var(--quiet)", strokeDasharray: "4,3" }),
        ...names.map((one) => Plot.text([one], {
          x: "value", text: "label", frameAnchor: "top", lineAnchor: "bottom", dy: -3 - LINE * one.row, fill: "var(--quiet)",
          textAnchor: one.side, dx: one.side === "end" ? 4 : -4,
        })),
        Plot.ruleY(marks.filter((mark) => mark.low !== undefined), { y: "y", x1: "low", x2: "high", stroke: "colour", strokeWidth: 2, strokeOpacity: 0.65 }),
        ...Map.groupBy(marks, (mark) => mark.symbol).entries().map(([symbol, found]) => Plot.dot(found, {
          x: "value", y: "y", symbol, r: 4.2, stroke: "colour", strokeWidth: 1.8,
          fill: (mark) => (mark.hollow || symbol === "plus" ? "var(--paper)" : mark.colour),
        })),
        Plot.text(rows, {
          y: "labelY", text: (row) => clipped(row.label, narrow ? 46 : 34), frameAnchor: "left", fill: "var(--ink)",
          textAnchor: narrow ? "start" : "end", dx: narrow ? 0 : -10, lineAnchor: "middle",
          stroke: "var(--paper)", strokeWidth: 4,
        }),
        Plot.tip(marks, Plot.pointer({ x: "value", y: "y", title: "title", maxRadius: 24 })),
      ],
    });
    return [chart, narrow && told(references)];
  }

  /** Dashed lines in words, where their names have no room beside the others. */
  function told(references) {
    const words = references.map((one) => `${clipped(one.label, 40)} ${one.text}`);
    return words.length > 0 && el("p.dashed.quiet", {}, `Dashed: ${words.join("; ")}.`);
  }

  // Positions in pixels from the top; on a narrow page the name stands over its dots.
  function placed(items, narrow) {
    let top = 0;
    return items.map((item) => {
      const inner = Math.max(item.marks.length * DOT, 14) + 8;
      const start = top + (narrow ? 18 : 0);
      const step = inner / (item.marks.length + 0.6);
      const marks = item.marks.map((mark, index) => ({ ...mark, y: start + step * (index + 0.8) }));
      const row = { label: item.label, top, bottom: start + inner, marks, labelY: narrow ? top + 10 : start + inner / 2 };
      top = row.bottom;
      return row;
    });
  }

  function domain(marks, references) {
    const numbers = [...marks.flatMap((mark) => [mark.value, mark.low ?? mark.value, mark.high ?? mark.value]), ...references.map((one) => one.value)];
    const [low, high] = [Math.min(...numbers), Math.max(...numbers)];
    const room = (high - low || Math.abs(high) || 1) * 0.05;
    return [low - room, high + room];
  }

  // Names of lines that lie close together would overprint each other: each takes the lowest row that is free there.
  function named(references, [low, high], left, right) {
    const ends = [];
    return [...references].sort((a, b) => a.value - b.value).map((one) => {
      const label = clipped(one.label, 28);
      const at = left + ((right - left) * (one.value - low)) / (high - low);
      const long = 7 * label.length;
      const side = at + long > right && at - long > 0 ? "end" : "start";
      const start = side === "end" ? at - long : at;
      const free = ends.findIndex((end) => end + 8 < start);
      const row = free < 0 ? ends.length : free;
      ends[row] = start + long;
      return { value: one.value, label, side, row };
    });
  }

  return { draw, told };
})();
