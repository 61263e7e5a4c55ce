"use strict";
// Critical-difference diagrams (Demsar, JMLR 7, 2006): mean ranks on an axis, bars over methods that are not told apart.
report.diagram = (() => {
  const { payload, el, svg, clipped, name, note, plural } = report.base;
  const { state, series } = report;
  const WIDE = 640;
  const MOST_WIDE = 24;
  const NAME = 24;

  /** The section with a diagram a recipe, or null. */
  function draw() {
    const found = payload.diagrams.filter((diagram) => Boolean(diagram.phantom) === state.phantom());
    if (!found.length) return null;
    return el("section.block", { "aria-labelledby": "h-ranks" },
      el("h3", { id: "h-ranks", tabindex: "-1" }, "Mean ranks over tasks"), found.map(figure));
  }

  function figure(diagram) {
    const title = el("h4", {}, "Recipe ", name(diagram.recipe, 60));
    if (!diagram.methods.length) return el("div", {}, title, el("p.quiet", {}, note(diagram.note ?? "")));
    const box = series.responsive((width) =>
      width >= WIDE && diagram.methods.length <= MOST_WIDE ? wide(diagram, width) : tall(diagram, width));
    return el("figure.ranks", {}, title, box.node, el("figcaption", {}, words(diagram)), numbers(diagram));
  }

  function words(diagram) {
    const p = diagram.friedman_p < 0.001 ? "p < 0.001" : `p = ${diagram.friedman_p.toFixed(3)}`;
    return el("p.quiet", {}, `1 is best; ${plural(diagram.tasks.length, "task")}. A bar joins methods that Nemenyi's test at 0.05 does not tell apart: `,
      `their mean ranks differ by less than the critical difference (CD) ${diagram.critical.toFixed(2)}. Friedman's test of no difference at all: ${p}. `,
      note(diagram.note ?? ""));
  }

  function cliques(diagram) {
    return diagram.cliques.filter(([first, last]) => last > first);
  }

  /** The same as a table and a list, for those who do not see the figure. */
  function numbers(diagram) {
    const joined = cliques(diagram).map(([first, last]) => el("li", {}, name(diagram.methods[first], 40), " to ", name(diagram.methods[last], 40)));
    return el("details.numbers", {}, el("summary", {}, "Mean ranks in words"),
      el("ol.rank-list", {}, diagram.methods.map((method, index) =>
        el("li", {}, name(method, 80), el("span.number", {}, diagram.mean_ranks[index].toFixed(2))))),
      joined.length > 0 && [el("p.quiet", {}, "Not told apart:"), el("ul", {}, joined)],
      el("p.quiet", {}, "Tasks: ", diagram.tasks.slice(0, 60).map((task) => clipped(task, 60)).join(", "), diagram.tasks.length > 60 ? ", …" : ""));
  }

  function limits(diagram) {
    return [1, Math.max(diagram.methods.length, 2)];
  }

  function canvas(diagram, width, height, parts) {
    return svg("svg.cd", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": `Critical-difference diagram of ${plural(diagram.methods.length, "method")}` }, parts);
  }

  function axis(x, [low, high], y, up) {
    const step = Math.ceil((high - low) / 12);
    const ticks = d3.range(low, high + 0.5, step);
    return [
      svg("path.stroke", { d: `M${x(low)},${y}H${x(high)}` }),
      ticks.map((tick) => [
        svg("path.stroke", { d: `M${x(tick)},${y}v${up ? -6 : 6}` }),
        svg("text.tick", { x: x(tick), y: up ? y - 10 : y + 20, "text-anchor": "middle" }, String(tick)),
      ]),
    ];
  }

  function critical(diagram, x, y, most) {
    const end = Math.min(x(1 + diagram.critical), most);
    return [
      svg("path.stroke", { d: `M${x(1)},${y - 4}v8M${x(1)},${y}H${end}M${end},${y - 4}v8` }),
      svg("text.tick", { x: (x(1) + end) / 2, y: y - 7, "text-anchor": "middle" }, `CD ${diagram.critical.toFixed(2)}`),
    ];
  }

  // The classic form: the better half is named on the left, the other on the right.
  function wide(diagram, width) {
    const side = 54 + 8 * Math.max(...diagram.methods.map((method) => clipped(method, NAME).length));
    const range = limits(diagram);
    const x = d3.scaleLinear(range, [side, width - side]);
    const bars = cliques(diagram);
    const top = 66;
    const start = top + 14 + bars.length * 9;
    const half = Math.ceil(diagram.methods.length / 2);
    const arms = diagram.methods.map((method, index) => {
      const left = index < half;
      const row = start + 14 + 24 * (left ? index : diagram.methods.length - 1 - index);
      const at = x(diagram.mean_ranks[index]);
      const edge = left ? side - 46 : width - side + 46;
      return [
        svg("path.arm", { d: `M${at},${top}V${row}H${edge}` }),
        svg("text.tick", { x: left ? edge + 2 : edge - 2, y: row - 4, "text-anchor": left ? "start" : "end" }, diagram.mean_ranks[index].toFixed(2)),
        svg("text", { x: left ? edge - 7 : edge + 7, y: row + 4, "text-anchor": left ? "end" : "start" }, clipped(method, NAME)),
      ];
    });
    const joined = bars.map(([first, last], index) =>
      svg("path.clique", { d: `M${x(diagram.mean_ranks[first]) - 4},${top + 12 + 9 * index}H${x(diagram.mean_ranks[last]) + 4}` }));
    return canvas(diagram, width, start + 24 * half + 16, [critical(diagram, x, 18, width - 8), axis(x, range, top, true), arms, joined]);
  }

  // The same turned: a row a method, bars at the right edge; for a phone, and for many methods.
  function tall(diagram, width) {
    const bars = cliques(diagram);
    const range = limits(diagram);
    const right = width - 10 - 8 * bars.length;
    const x = d3.scaleLinear(range, [8, right - 18]);
    const row = (index) => 62 + 36 * index;
    const rows = diagram.methods.map((method, index) => {
      const at = x(diagram.mean_ranks[index]);
      return [
        svg("text", { x: 8, y: row(index) - 8 }, `${clipped(method, Math.max(12, Math.floor(right / 9)))}`),
        svg("path.guide", { d: `M8,${row(index) + 4}H${right - 18}` }),
        svg("circle.dot", { cx: at, cy: row(index) + 4, r: 4.5 }),
        svg("text.tick", { x: right - 18, y: row(index) - 8, "text-anchor": "end" }, diagram.mean_ranks[index].toFixed(2)),
      ];
    });
    const joined = bars.map(([first, last], index) =>
      svg("path.clique", { d: `M${right + 2 + 8 * index},${row(first) - 8}V${row(last) + 8}` }));
    const bottom = row(diagram.methods.length) - 20;
    return canvas(diagram, width, bottom + 28, [critical(diagram, x, 20, width - 8), rows, axis(x, range, bottom, false), joined]);
  }

  return { draw };
})();
