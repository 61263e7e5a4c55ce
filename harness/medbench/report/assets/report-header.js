"use strict";
// Title, counts, the switch between real and generated data, the theme, and what must be said of the data.
report.header = (() => {
  const { payload, el, clean, name, note, plural, announce } = report.base;
  const { state } = report;
  const THEMES = { "": "Theme: auto", light: "Theme: light", dark: "Theme: dark" };
  const PHANTOM =
    "Images or weights of these trials were drawn by medbench phantom. The numbers show that the machinery works; they " +
    "say nothing about any method, and are never shown beside real ones.";

  function start() {
    document.getElementById("title").append(name(payload.title, 160));
    document.getElementById("skip").addEventListener("click", (event) => {
      event.preventDefault();
      document.getElementById("main").focus();
    });
    startSwitch();
    startTheme();
    document.getElementById("foot").append(...foot());
  }

  function startSwitch() {
    const box = document.getElementById("data-switch");
    box.hidden = !state.hasBoth;
    for (const input of box.querySelectorAll("input")) {
      input.addEventListener("change", () => state.set({ data: input.value === "phantom" ? "phantom" : "", table: "" }));
    }
  }

  function startTheme() {
    const button = document.getElementById("theme");
    let theme = remembered();
    const show = () => {
      if (theme) document.documentElement.dataset.theme = theme;
      else delete document.documentElement.dataset.theme;
      button.textContent = THEMES[theme];
    };
    button.addEventListener("click", () => {
      const order = Object.keys(THEMES);
      theme = order[(order.indexOf(theme) + 1) % order.length];
      remember(theme);
      show();
      announce(THEMES[theme]);
    });
    show();
  }

  // A browser may refuse storage to a local file: the theme is then chosen anew each time.
  function remembered() {
    try {
      const found = localStorage.getItem("medbench-theme") ?? "";
      return Object.hasOwn(THEMES, found) ? found : "";
    } catch {
      return "";
    }
  }

  function remember(theme) {
    try {
      localStorage.setItem("medbench-theme", theme);
    } catch {
      announce("The theme is not remembered here.");
    }
  }

  function foot() {
    const problems = payload.problems ?? [];
    return [
      problems.length > 0 &&
        el("details.problems", {}, el("summary", {}, plural(problems.length, "problem")),
          el("ul", {}, problems.map((problem) => el("li", {}, note(problem))))),
      el("p.quiet", {}, `Made by medbench ${clean(payload.medbench)} from records. The file holds all that it shows and loads nothing.`),
    ].filter(Boolean);
  }

  /** Counts and banner follow the kind of data shown. */
  function draw() {
    const phantom = state.phantom();
    const tables = payload.tables.filter((table) => Boolean(table.phantom) === phantom);
    const records = payload.records.filter((record) => Boolean(record.phantom) === phantom);
    const counts = [
      plural(new Set(tables.map((table) => table.task)).size, "task"),
      plural(new Set(records.map((record) => record.method)).size, "method"),
      plural(records.length, "record"),
    ];
    document.getElementById("counts").textContent = counts.join(" · ");
    for (const input of document.querySelectorAll("#data-switch input")) {
      input.checked = (input.value === "phantom") === phantom;
    }
    document.getElementById("banner").replaceChildren(
      ...(payload.notices ?? []).map((notice) => el("p.banner", { role: "note" }, note(notice))),
      ...(phantom ? [el("p.banner", { role: "note" }, el("strong", {}, "Generated data. "), PHANTOM)] : []),
    );
  }

  return { start, draw };
})();
