"use strict";
// What charts share: colours and shapes of methods, the keys that switch them, and drawing anew when the width changes.
report.series = (() => {
  const { el, clean, clipped, name } = report.base;
  // Okabe and Ito's colours, which differ for the colour-blind too; a shape of its own says the same without colour.
  const COLOURS = ["--blue", "--vermillion", "--green", "--orange", "--purple", "--sky", "--ink-soft"];
  const SYMBOLS = ["circle", "square", "triangle", "diamond2", "plus", "star", "wye"];
  const DASHES = [null, "6,3", "2,3", "8,3,2,3"];
  const FIRST = 6;

  /** How each name is drawn, by its place in the list; a muted one (`{name, muted}`) is grey and dotted, whatever its place. */
  function looks(names) {
    return names.map((one, index) => {
      const { name: text, muted = false } = typeof one === "string" ? { name: one } : one;
      return {
        name: text,
        label: clean(text),
        muted,
        colour: muted ? "var(--quiet)" : `var(${COLOURS[index % COLOURS.length]})`,
        symbol: SYMBOLS[index % SYMBOLS.length],
        dash: muted ? "1,4" : DASHES[Math.floor(index / COLOURS.length) % DASHES.length],
      };
    });
  }

  /** The names shown at first. */
  function first(count) {
    return new Set(Array.from({ length: Math.min(count, FIRST) }, (_, index) => index));
  }

  /** A key of buttons; each shows or hides its series. At least one stays. */
  function key(all, shown, changed) {
    return el("ul.key-list", { "aria-label": "Methods drawn" }, all.map((look, index) => {
      const button = el("button.key-item", {
        type: "button",
        "aria-pressed": String(shown.has(index)),
        onclick: () => {
          if (shown.has(index) && shown.size > 1) shown.delete(index);
          else shown.add(index);
          button.setAttribute("aria-pressed", String(shown.has(index)));
          changed();
        },
      }, sample(look), name(look.name, 40));
      return el("li", {}, button);
    }));
  }

  function sample(look) {
    const { svg } = report.base;
    const shape = d3.symbol(d3[`symbol${look.symbol[0].toUpperCase()}${look.symbol.slice(1)}`], 44)();
    const stroked = look.muted || look.symbol === "plus";
    return svg("svg.sample", { viewBox: "-11 -7 22 14", width: "22", height: "14", "aria-hidden": "true" },
      svg("path", { d: "M-11,0H11", stroke: look.colour, "stroke-width": "2", "stroke-dasharray": look.dash }),
      svg("path", { d: shape, fill: stroked ? "none" : look.colour, stroke: look.colour, "stroke-width": stroked ? "2" : "1" }));
  }

  /** A box that draws again when its width changes, and when it is told to. */
  function responsive(draw) {
    const box = el("div.chart");
    let width = 0;
    const redraw = () => {
      if (width > 0) box.replaceChildren(...[draw(width)].flat().filter(Boolean));
    };
    new ResizeObserver(([entry]) => {
      const next = Math.floor(entry.contentRect.width);
      if (next === width) return;
      width = next;
      redraw();
    }).observe(box);
    return { node: box, redraw };
  }

  /** A number in the units of an axis. */
  function scaled(value, unit) {
    return unit === "plain" ? value : 100 * value;
  }

  /** What all charts have in common; `label` reads the chart out. */
  function plot(label, options) {
    const chart = Plot.plot({
      style: { fontFamily: "inherit", fontSize: "12px", overflow: "visible", background: "transparent" },
      ariaLabel: clipped(label, 300),
      ...options,
    });
    chart.setAttribute("role", "img");
    return chart;
  }

  return { looks, first, key, responsive, scaled, plot };
})();
