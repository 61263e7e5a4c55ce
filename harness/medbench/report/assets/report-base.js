"use strict";
// The payload, elements, and how numbers and names are written. Every later file adds one room to `report`.
const report = {};

report.base = (() => {
  const payload = JSON.parse(document.getElementById("payload").textContent);
  const SVG = "http://www.w3.org/2000/svg";
  const SET_AS_PROPERTY = new Set(["checked", "value", "disabled", "open", "hidden"]);

  /** An element: `tag.class.class`, attributes (`onclick` and the like listen), children as nodes or plain text. */
  function el(tag, attributes = {}, ...children) {
    return fill((name) => document.createElement(name), tag, attributes, children);
  }

  /** The same for SVG. */
  function svg(tag, attributes = {}, ...children) {
    return fill((name) => document.createElementNS(SVG, name), tag, attributes, children);
  }

  function fill(create, tag, attributes, children) {
    const [name, ...classes] = tag.split(".");
    const node = create(name);
    if (classes.length) node.setAttribute("class", classes.join(" "));
    for (const [key, value] of Object.entries(attributes)) {
      if (value === null || value === undefined || value === false) continue;
      if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
      else if (SET_AS_PROPERTY.has(key)) node[key] = value;
      else node.setAttribute(key, value === true ? "" : value);
    }
    node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
    return node;
  }

  /** One line without control and formatting characters, as Python's `clean` gives it. */
  function clean(text) {
    return String(text).replace(/\s/gu, " ").replace(/\p{C}/gu, "").replace(/ +/g, " ").trim();
  }

  function clipped(text, length) {
    const letters = Array.from(clean(text));
    return letters.length > length ? letters.slice(0, length - 1).join("") + "…" : letters.join("");
  }

  /** A name from a plugin: kept apart from the direction of the text around it, and short. */
  function name(text, length = 90) {
    const short = clipped(text, length);
    const title = short.endsWith("…") ? clipped(text, 400) : null;
    const pieces = short.split(/(?<=[@/_.-])(?=\p{L})/u); // a narrow column breaks a name where its parts meet
    return el("bdi.name", { title }, pieces.flatMap((piece, index) => (index ? [el("wbr"), piece] : [piece])));
  }

  /** A sentence from a plugin or a record. */
  function note(text) {
    return name(text, 600);
  }

  /** A row's name with what tells it from others of its method. */
  function lineName(line) {
    return line.qualifier ? `${line.name} (${line.qualifier})` : line.name;
  }

  /** One decimal as Python rounds: to the nearest, exact halves to the even digit. */
  function decimal(number) {
    const halfway = Number.isInteger(number * 4) && !Number.isInteger(number * 2);
    let text = number.toFixed(1);
    if (halfway) {
      const below = Math.floor(number * 10);
      text = ((below % 2 === 0 ? below : below + 1) / 10).toFixed(1);
    }
    return text === "-0.0" ? "0.0" : text;
  }

  function percent(number) {
    return decimal(100 * number);
  }

  /** Three significant digits as Python's `.3g` rounds and writes them, but for the zeros of an exponent. */
  function significant(number) {
    const size = Math.abs(number);
    if (size === 0) return "0";
    const [exact, lower] = size.toExponential(99).split("e");
    let [digits, power] = size.toExponential(2).split("e");
    if (/^\d\.\d[02468]50*$/.test(exact)) [digits, power] = [exact.slice(0, 4), lower]; // an exact half goes to the even digit
    const text = Number(power) < -4 ? `${Number(digits)}e${power}` : String(Number(`${digits}e${power}`));
    return number < 0 ? `-${text}` : text;
  }

  function plain(number) {
    if (Math.abs(number) < 10) return significant(number);
    const [whole, digit] = decimal(number).split(".");
    const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ",");
    return digit === "0" ? grouped : `${grouped}.${digit}`;
  }

  /** A number as the leaderboard prints it. */
  function format(number, unit = "percent") {
    return unit === "plain" ? plain(number) : percent(number);
  }

  function interval(value, unit) {
    if (value.low === undefined || value.high === undefined) return "";
    return `[${format(value.low, unit)}, ${format(value.high, unit)}]`;
  }

  function fractionName(fraction) {
    return `${Number((100 * fraction).toPrecision(6))} %`;
  }

  /** One number as it is, several as their range, none as a dash. */
  function range(numbers = []) {
    if (!numbers.length) return "–";
    const [low, high] = [Math.min(...numbers), Math.max(...numbers)];
    return low === high ? count(low) : `${count(low)}–${count(high)}`;
  }

  function count(number) {
    return String(number).replace(/\B(?=(\d{3})+$)/g, ",");
  }

  function plural(number, one, many = `${one}s`) {
    return `${count(number)} ${number === 1 ? one : many}`;
  }

  function columnTitle(column, { fraction = true } = {}) {
    const released = column.as_released ? " (as released)" : "";
    return clipped(column.title, 60) + released + (fraction ? `, ${fractionName(column.fraction)}` : "");
  }

  /** What tells a metric from others: two readings of one name are two metrics. */
  function family(column) {
    return JSON.stringify([column.metric, column.title]);
  }

  /** Says something to those who do not see the page change. */
  function announce(text) {
    document.getElementById("status").textContent = text;
  }

  /** A labelled <select>; `options` are [value, text] pairs. */
  function select(label, options, value, changed) {
    const id = `select-${label.toLowerCase()}`;
    const node = el(
      "select",
      { id, onchange: (event) => changed(event.target.value) },
      options.map(([key, text]) => el("option", { value: key }, text)),
    );
    node.value = value;
    const box = el("div.field", {}, el("label", { for: id }, label), node);
    box.follow = (next) => (node.value = next); // the address may change what was chosen here
    return box;
  }

  return {
    payload, el, svg, clean, clipped, name, note, lineName, format, interval, fractionName, range, count, plural, columnTitle,
    family, announce, select,
  };
})();
