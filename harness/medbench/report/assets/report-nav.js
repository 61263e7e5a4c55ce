"use strict";
// The list of tasks: by protocol, searchable; folded into one line on a phone.
report.nav = (() => {
  const { payload, el, clean, clipped, name, plural, announce } = report.base;
  const { state } = report;
  const narrow = matchMedia("(max-width: 60rem)");
  let entries = [];
  let menu = null;

  /** Draws the tasks of the kind of data shown. */
  function draw() {
    const shown = payload.tables.filter((table) => Boolean(table.phantom) === state.phantom());
    const siblings = Map.groupBy(shown, (table) => table.task);
    entries = [];
    const groups = Map.groupBy(shown, (table) => (table.set_aside ? "Set aside: other versions" : clean(table.protocol)));
    const ordered = [...groups].sort(([, a], [, b]) => Number(a[0].set_aside ?? false) - Number(b[0].set_aside ?? false));
    const search = el("input", {
      type: "search", id: "task-search", placeholder: "Find a task", autocomplete: "off", spellcheck: "false",
      "aria-label": "Find a task", oninput: (event) => filter(event.target.value),
    });
    menu = el("details.menu", { open: !narrow.matches },
      el("summary", {}, "Tasks"),
      search,
      entry(null, "Overview", "", state.link({ table: "" })),
      ordered.map(([title, tables]) => group(title, tables, siblings)));
    document.getElementById("nav").replaceChildren(menu);
    mark();
  }

  function group(title, tables, siblings) {
    const items = tables.map((table) => {
      const note = [clean(table.dataset), ...differing(table, siblings.get(table.task))].join(" · ");
      return el("li", {}, entry(table, table.title, clipped(note, 80), state.link({ table: state.slug(table) })));
    });
    const shown = title.charAt(0).toUpperCase() + title.slice(1).replaceAll("-", " ");
    return el("div.group", {}, el("p.group-title", {}, clipped(shown, 60)), el("ul", {}, items));
  }

  /** What tells a table from the others of its task. */
  function differing(table, siblings) {
    const keys = ["recipe", "split", "version", "data"].filter((key) => new Set(siblings.map((other) => other[key])).size > 1);
    return keys.map((key) => (key === "version" ? `version ${table.version}` : clean(table[key])));
  }

  function entry(table, title, note, href) {
    const node = el("a.task", { href }, name(title, 70), note && el("span.quiet", {}, note));
    node.addEventListener("click", () => {
      if (narrow.matches) menu.open = false;
    });
    const words = table ? [table.task, table.title, table.dataset, table.protocol, table.recipe] : [];
    entries.push({ node, slug: table ? state.slug(table) : "", words: clean(words.join(" ")).toLowerCase() });
    return node;
  }

  function filter(text) {
    const words = clean(text).toLowerCase().split(" ").filter(Boolean);
    let left = 0;
    for (const { node, slug, words: own } of entries) {
      if (!slug) continue;
      const fits = words.every((word) => own.includes(word));
      node.parentElement.hidden = !fits;
      left += Number(fits);
    }
    for (const box of document.querySelectorAll("#nav .group")) box.hidden = !box.querySelector("li:not([hidden])");
    announce(plural(left, "task table"));
  }

  /** Marks the entry that is shown. */
  function mark() {
    const table = state.table();
    const slug = table ? state.slug(table) : "";
    for (const { node, slug: own } of entries) {
      if (own === slug) node.setAttribute("aria-current", "page");
      else node.removeAttribute("aria-current");
    }
  }

  narrow.addEventListener("change", () => {
    if (menu) menu.open = !narrow.matches;
  });

  return { draw, mark };
})();
