"use strict";
// Test samples to look at: what a method got right beside what it got wrong.
report.examples = (() => {
  const { el, clipped, note, select, plural } = report.base;
  const { state, picture } = report;
  const STEP = 4;

  /** The section, or null where there is neither an example nor a word on why. */
  function draw(table) {
    const all = table.examples ?? [];
    if (!all.length && !table.examples_note) return null;
    const methods = [...new Set(all.map((example) => example.method))];
    const body = el("div.sides", { "data-truth": "on", "data-answer": "on", style: "--overlay: 0.55" });
    const chosen = () => Number(state.get().examples || 0) in methods ? Number(state.get().examples || 0) : 0;
    const show = () => {
      const own = all.filter((example) => example.method === methods[chosen()]);
      body.replaceChildren(side("Right", own.filter((example) => example.right)), side("Wrong", own.filter((example) => !example.right)));
    };
    show();
    const options = methods.map((method, index) => [String(index), clipped(method, 60)]);
    return {
      node: el("section.block", { id: "at-examples", "aria-labelledby": "h-examples" },
        el("div.block-head", {}, el("h3", { id: "h-examples", tabindex: "-1" }, "Examples"),
          methods.length > 1 && select("Method", options, String(chosen()), (value) => state.set({ examples: value })),
          all.some(drawn) && layers(body, all)),
        table.examples_note && el("p.banner.soft", { role: "note" }, note(table.examples_note)),
        all.length > 0 && body),
      update: show,
    };
  }

  function drawn(example) {
    return [example.truth, example.answer].some((layer) => layer.overlay || layer.boxes?.length);
  }

  // What lies over the pictures: one set of controls for all of them.
  function layers(body, all) {
    const toggle = (kind, text) => el("label", {},
      el("input", { type: "checkbox", checked: true, onchange: (event) => (body.dataset[kind] = event.target.checked ? "on" : "off") }),
      el(`span.mark.${kind}`, {}, text));
    const overlays = all.some((example) => example.truth.overlay || example.answer.overlay);
    return el("fieldset.choices", {}, el("legend.unseen", {}, "Over the picture"),
      toggle("truth", "Truth"), toggle("answer", "Answer"),
      overlays && el("label.field.slider", {}, el("span", {}, "Opacity"),
        el("input", { type: "range", min: "0", max: "1", step: "0.05", value: "0.55", oninput: (event) => body.style.setProperty("--overlay", event.target.value) })));
  }

  function side(title, examples) {
    const list = el(examples.some(picture.pictured) ? "div.cards" : "div.cards.words");
    const more = el("button.more", { type: "button" });
    let shown = 0;
    const grow = () => {
      list.append(...examples.slice(shown, shown + STEP).map(picture.draw));
      shown = Math.min(shown + STEP, examples.length);
      more.hidden = shown >= examples.length;
      more.textContent = `Show more (${examples.length - shown} left)`;
    };
    more.addEventListener("click", grow);
    grow();
    return el("div.side", { "data-side": title.toLowerCase() },
      el("h4", {}, title, " ", el("span.quiet", {}, plural(examples.length, "sample"))),
      examples.length ? list : el("p.quiet", {}, "None among those kept."), more);
  }

  return { draw };
})();
