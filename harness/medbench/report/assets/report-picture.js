"use strict";
// One example: the picture with truth and answer over it, and the texts.
report.picture = (() => {
  const { el, svg, clean, clipped, name, note, plural } = report.base;

  /** A figure of one test sample. */
  function draw(example) {
    const score = typeof example.score === "number"
      ? `${clean(example.measure ?? "") || "score"} ${Number(example.score.toPrecision(3))}` : "";
    return el("figure.example", {},
      pictured(example) && (example.previous ? pair(example) : stage(example)),
      el("figcaption", {},
        el("p.sample-id", {}, name(example.sample_id, 40), score && el("span.score", {}, score)),
        example.image_note && el("p.quiet", {}, note(example.image_note)),
        texts(example)));
  }

  function pictured(example) {
    const layers = [example.truth, example.answer];
    return Boolean(example.image || example.previous || layers.some((layer) => layer.overlay || layer.boxes?.length));
  }

  // The earlier image of a pair beside the present one.
  function pair(example) {
    const earlier = example.previous;
    return el("div.pair", {},
      el("div", {}, el("p.quiet", {}, "Earlier"), el("div.stage", { style: ratio(earlier) },
        safe(earlier.image) && el("img.film", { src: earlier.image, alt: `Earlier image of ${clipped(example.sample_id, 60)}`, loading: "lazy", decoding: "async" }))),
      el("div", {}, el("p.quiet", {}, "Present"), stage(example)));
  }

  function ratio({ width, height }) {
    return `aspect-ratio: ${width > 0 && height > 0 ? `${width} / ${height}` : "1"}`;
  }

  function stage(example) {
    return el("div.stage", { style: ratio(example) },
      safe(example.image) && el("img.film", { src: example.image, alt: `Sample ${clipped(example.sample_id, 60)}`, loading: "lazy", decoding: "async" }),
      layer(example.truth, "truth"), layer(example.answer, "answer"));
  }

  function safe(address) {
    return /^data:image\/(png|jpeg|webp);base64,/.test(address ?? "");
  }

  function layer(view, kind) {
    const boxes = view.boxes ?? [];
    return el(`div.layer.${kind}`, {},
      safe(view.overlay) && el("img.overlay", { src: view.overlay, alt: kind === "truth" ? "Truth as a mask" : "Answer as a mask or heat map", loading: "lazy", decoding: "async" }),
      safe(view.outline) && el("img.outline", { src: view.outline, alt: "", loading: "lazy", decoding: "async" }),
      boxes.length > 0 && svg("svg.boxes", { viewBox: "0 0 1 1", preserveAspectRatio: "none", "aria-hidden": "true" },
        ["halo", "edge"].map((part) => boxes.map((box) => svg(`rect.${part}`, { x: box.x, y: box.y, width: box.width, height: box.height })))),
      boxes.map((box) => tag(box, kind)));
  }

  // Names stand over a true box and under an answered one, inside the picture.
  function tag(box, kind) {
    const words = [clipped(box.label ?? "", 24), typeof box.score === "number" ? box.score.toFixed(2) : ""].filter(Boolean);
    if (!words.length) return null;
    const share = (number) => `${(100 * Math.min(Math.max(number, 0), 1)).toFixed(2)}%`;
    const across = box.x > 0.6 ? `right: ${share(1 - box.x - box.width)}` : `left: ${share(box.x)}`;
    const down = kind === "truth" ? `bottom: ${share(Math.min(1 - box.y, 0.93))}` : `top: ${share(Math.min(box.y + box.height, 0.93))}`;
    return el("span.tag", { style: `${across}; ${down}` }, el("bdi", {}, words.join(" ")));
  }

  function texts(example) {
    const said = (view) => view.text || (view.boxes ? boxed(view.boxes) : "");
    const told = example.texts ?? [];
    const parts = [
      ["Question", example.question, ""],
      ...told.map((text, index) => [told.length > 1 ? `Text ${index + 1}` : "Text", text, ""]),
      ["Truth", said(example.truth), "truth"],
      ["Answer", said(example.answer), "answer"],
    ].filter(([, text]) => text);
    return parts.length > 0 && el("dl.texts", {}, parts.map(([term, text, kind]) => [
      el("dt", { "data-kind": kind }, term), el("dd", {}, prose(text))]));
  }

  /** Boxes in words. */
  function boxed(boxes) {
    const named = boxes.filter((box) => box.label).map((box) =>
      [clipped(box.label, 40), typeof box.score === "number" ? box.score.toFixed(2) : ""].filter(Boolean).join(" "));
    return named.slice(0, 12).join(", ") || (boxes.length ? plural(boxes.length, "box", "boxes") : "no box");
  }

  /** A text with its lines; a long one is folded. */
  function prose(text) {
    const lines = text.split("\n").map((line) => clean(line)).join("\n").trim();
    if (lines.length <= 420) return el("bdi.prose", {}, lines);
    return el("details.long", {}, el("summary", {}, el("bdi.prose", {}, `${lines.slice(0, 300)}…`)), el("bdi.prose", {}, lines));
  }

  return { draw, pictured };
})();
