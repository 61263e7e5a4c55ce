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
    const body = el("div.sides", { "data-truth": "on", "data-answer": "on", style: "--overlay: 0.6" });
    const chosen = () => Number(state.get().examples || 0) in methods ? Number(state.get().examples || 0) : 0;
    const options = methods.map((method, index) => [String(index), clipped(method, 60)]);
    const control = methods.length > 1 && select("Method", options, String(chosen()), (value) => state.set({ examples: value }));
    const about = el("p.kept.quiet");
    const show = () => {
      if (control) control.follow(String(chosen()));
      const own = all.filter((example) => example.method === methods[chosen()]);
      about.replaceChildren("Of ", note(methods[chosen()] ?? ""), ...(table.kept_of ? [": ", note(table.kept_of)] : []), ".");
      const [right, wrong] = [true, false].map((which) => own.filter((example) => Boolean(example.right) === which));
      // A protocol that knows no right and wrong must not be shown as if it did.
      const titles = own.some((example) => example.by_half) ? ["Better half", "Other half"] : ["Right", "Wrong"];
      body.style.setProperty("--rows", String(Math.max(right.length, wrong.length, 1)));
      body.toggleAttribute("data-halves", titles[0] !== "Right");
      body.replaceChildren(side("right", titles[0], right), side("wrong", titles[1], wrong));
    };
    show();
    return {
      node: el("section.block", { id: "at-examples", "aria-labelledby": "h-examples" },
        el("div.block-head", {}, el("h3", { id: "h-examples", tabindex: "-1" }, "Examples"),
          control,
          all.some(drawn) && layers(body, all)),
        methods.length > 0 && about,
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
        el("input", { type: "range", min: "0", max: "1", step: "0.05", value: "0.6", oninput: (event) => body.style.setProperty("--overlay", event.target.value) })));
  }

  function side(kind, title, examples) {
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
    return el("div.side", { "data-side": kind },
      el("h4", {}, title, " ", el("span.quiet", {}, plural(examples.length, "sample"))),
      examples.length ? list : el("p.quiet", {}, "None among those kept."), more);
  }

  return { draw };
})();
