"use strict";
// Puts the page together and keeps it in step with the address.
(() => {
  const { el, clean, name } = report.base;
  const { state } = report;
  const main = document.getElementById("main");
  const TITLES = { results: "Results", chart: "Chart", groups: "Groups", examples: "Examples" };
  // The part that draws again when a setting changes.
  const DRAWN_BY = { results: ["sort", "q", "pretraining", "kinds", "hide"], chart: ["metric"], groups: ["group"], examples: ["examples"] };
  let parts = {};

  function draw() {
    const table = state.table();
    parts = {};
    main.replaceChildren(table ? tableView(table) : report.overview.draw());
    document.title = table ? `${report.base.clipped(table.title, 120)} · ${report.base.clipped(report.base.payload.title, 60)}` : clean(report.base.payload.title);
  }

  function tableView(table) {
    const found = {
      results: report.table.draw(table),
      chart: report.curves.draw(table),
      groups: report.groups.draw(table),
      examples: report.examples.draw(table),
    };
    parts = Object.fromEntries(Object.entries(found).filter(([, part]) => part));
    return el("article", { "aria-labelledby": "view-title" },
      el("header.view-head", {},
        el("h2", { id: "view-title", tabindex: "-1" }, name(table.title, 120)),
        facts(table),
        jumps()),
      table.set_aside && el("p.banner.soft", { role: "note" }, el("strong", {}, "Another version of the task. "), "A change of version moves numbers: these are never compared with those of the present version."),
      (table.notes ?? []).length > 0 && el("ul.table-notes", {}, table.notes.map((note) => el("li", {}, report.base.note(note)))),
      Object.values(parts).map((part) => part.node));
  }

  function facts(table) {
    const methods = table.lines.filter((line) => line.kind === "method").length;
    const pairs = [
      ["Task", `${clean(table.task)}, version ${table.version}`], ["Dataset", table.dataset], ["Protocol", table.protocol],
      ["Recipe", table.recipe], ["Split", table.split], ["Data", table.data], ["Methods", String(methods)],
    ];
    return el("dl.facts-line", {}, pairs.filter(([, value]) => value).map(([term, value]) =>
      el("div", {}, el("dt", {}, term), el("dd", {}, name(value, 60)))));
  }

  function jumps() {
    const keys = Object.keys(parts);
    if (keys.length < 2) return null;
    return el("ul.jumps", { "aria-label": "Parts of this page" }, keys.map((key) =>
      el("li", {}, el("a", {
        href: state.link({ at: key }),
        onclick: (event) => {
          event.preventDefault(); // the address was written when the page was drawn; settings may have changed since
          state.set({ at: key });
          go(key);
        },
      }, TITLES[key]))));
  }

  function go(key) {
    const heading = document.getElementById(`h-${key}`);
    if (!heading) return;
    heading.scrollIntoView({ block: "start" });
    heading.focus({ preventScroll: true });
  }

  state.listen((changed) => {
    if (changed.has("table") || changed.has("data")) {
      report.header.draw();
      if (changed.has("data") || navIsStale()) report.nav.draw();
      report.nav.mark();
      draw();
      scrollTo(0, 0);
      document.getElementById("view-title")?.focus({ preventScroll: true });
    } else {
      for (const [key, part] of Object.entries(parts)) {
        if (DRAWN_BY[key].some((setting) => changed.has(setting))) part.update(changed);
      }
    }
    if (changed.has("at") && state.get().at) go(state.get().at);
  });

  let drawnPhantom = null;

  /** Whether the list of tasks is of the other kind of data than the table now shown. */
  function navIsStale() {
    const stale = drawnPhantom !== state.phantom();
    drawnPhantom = state.phantom();
    return stale;
  }

  report.header.start();
  report.header.draw();
  navIsStale();
  report.nav.draw();
  draw();
  if (state.get().at) go(state.get().at);
  document.documentElement.dataset.ready = "yes";
})();
