"use strict";
// What is looked at, kept in the address after `#`, so that a link opens the same view. Works from a local file.
report.state = (() => {
  const { payload, clean } = report.base;
  const KEYS = ["data", "table", "at", "sort", "q", "pretraining", "kinds", "hide", "metric", "group", "examples"];
  const OF_TABLE = ["at", "sort", "q", "pretraining", "kinds", "hide", "metric", "group", "examples"];
  const listeners = [];
  const bySlug = new Map(payload.tables.map((table) => [slug(table), table]));
  let current = read();

  function read() {
    const found = new URLSearchParams(location.hash.slice(1));
    return Object.fromEntries(KEYS.map((key) => [key, found.get(key) ?? ""]));
  }

  function address(state) {
    const pairs = new URLSearchParams(KEYS.filter((key) => state[key]).map((key) => [key, state[key]]));
    return `#${pairs.toString().replaceAll("%2F", "/").replaceAll("%40", "@")}`;
  }

  /** What tells a table from all others, short enough for an address. */
  function slug(table) {
    const parts = [table.task, table.recipe, table.split, `v${table.version}`, table.data, table.phantom ? "phantom" : ""];
    return parts.filter(Boolean).map((part) => encodeURIComponent(Array.from(clean(part)).slice(0, 80).join(""))).join("/");
  }

  /** The address of another view. One of a table holds none of its settings: a link drawn now would freeze them. */
  function link(changes) {
    return address({ ...merged(changes), data: hasReal && hasPhantom && isPhantom() ? "phantom" : "" });
  }

  function merged(changes) {
    const next = { ...current, ...changes };
    if ("table" in changes) {
      for (const key of OF_TABLE) next[key] = changes[key] ?? "";
    }
    return next;
  }

  /** Sets and tells; the address follows without a new entry in the history. */
  function set(changes) {
    const next = merged(changes);
    history.replaceState(null, "", address(next));
    tell(next);
  }

  function tell(next) {
    const changed = new Set(KEYS.filter((key) => next[key] !== current[key]));
    current = next;
    if (changed.size) for (const listener of listeners) listener(changed);
  }

  addEventListener("hashchange", () => {
    // The skip link's target is an element's id, not a view.
    if (location.hash !== "#main") tell(read());
  });

  const hasReal = payload.tables.some((table) => !table.phantom) || !payload.tables.length;
  const hasPhantom = payload.tables.some((table) => table.phantom);

  /** The chosen table: by its whole address, or the first that begins so (a task alone); null for the overview. */
  function chosen() {
    if (!current.table) return null;
    const wanted = current.table.split("/");
    const begins = (table) => wanted.every((part, index) => slug(table).split("/")[index] === part);
    return bySlug.get(current.table) ?? payload.tables.find(begins) ?? null;
  }

  /** Whether generated data are shown; real ones come first. */
  function isPhantom() {
    return Boolean(chosen()?.phantom ?? (hasPhantom && (!hasReal || current.data === "phantom")));
  }

  return {
    get: () => current,
    set,
    link,
    slug,
    listen: (listener) => listeners.push(listener),
    hasBoth: hasReal && hasPhantom,
    phantom: isPhantom,
    table: chosen,
  };
})();
