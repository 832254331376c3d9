// What a person does on the page, and what it shows.

const $ = (id) => document.getElementById(id);
const percent = (weight) => `${Math.round(100 * weight)}%`;

let contents; // what `unpack` returns
let selected = 0; // the sentence that is shown
let view; // the controls
let panels = []; // one a hypothesis: {reading, element, tokens: {src, tgt}, geometry, ...}
let pinned = new Set(); // names of tokens, as `nameOf` gives them
let pointed = []; // names of the tokens under pointer or focus

function make(tag, attributes = {}, text = null) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== null) element.textContent = text;
  return element;
}

// A source word is the same in all hypotheses, a target word is one hypothesis's own.
const nameOf = (panel, side, index) => (side === "src" ? `src ${index}` : `tgt ${index} ${panel.number}`);

// ---- the list of sentences

function listSentences() {
  const wanted = $("search").value.trim().toLowerCase();
  const texts = (sentence) => [sentence.src, ...sentence.hypotheses.map((hypothesis) => hypothesis.tgt)];
  let found = contents.sentences.filter(
    (sentence) => !wanted || texts(sentence).some((text) => text.toLowerCase().includes(wanted)),
  );
  const order = $("order").value;
  if (order !== "number") {
    // What is blank has no confidence, and comes last.
    const key = ({ confidence }) => (confidence === null ? Infinity : order === "least" ? confidence : -confidence);
    found = [...found].sort((one, other) => key(one) - key(other));
  }
  $("sentences").replaceChildren(...found.map(listItem));
  $("count").textContent = `${found.length} of ${contents.sentences.length} sentences`;
}

function listItem(sentence) {
  const button = make("button", { type: "button", "data-number": sentence.number });
  const known = sentence.confidence !== null;
  button.append(
    make("span", { class: "number" }, sentence.number),
    make("span", { class: "text", dir: "auto" }, sentence.src),
    make("span", { class: "percent", title: "mean probability of its pieces" }, known ? percent(sentence.confidence) : "–"),
    make("span", { class: "text tgt", dir: "auto" }, sentence.hypotheses[0].tgt),
  );
  button.addEventListener("click", () => select(sentence.number - 1));
  if (sentence.number - 1 === selected) button.setAttribute("aria-current", "true");
  const item = make("li");
  item.append(button);
  return item;
}

function moveInList(event) {
  const step = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
  const neighbour = step && event.target.closest("li")?.[step];
  if (!neighbour) return;
  event.preventDefault();
  neighbour.firstChild.focus();
  neighbour.firstChild.click();
}

function select(index) {
  selected = index;
  for (const button of $("sentences").querySelectorAll("button")) {
    if (Number(button.dataset.number) === index + 1) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  }
  history.replaceState(null, "", `#${index + 1}`);
  show();
}

// ---- one sentence

/** Show the selected sentence anew, with nothing pinned. */
function show() {
  const sentence = contents.sentences[selected];
  pinned = new Set();
  pointed = [];
  describe();
  $("heading").textContent = `Sentence ${sentence.number}`;
  $("status").textContent = "";
  $("tip").hidden = true;
  $("hypotheses").classList.toggle("several", sentence.hypotheses.length > 1);
  panels = [];
  $("hypotheses").replaceChildren();
  sentence.hypotheses.forEach((hypothesis, number) => {
    if (!hypothesis.pieces.length) {
      $("hypotheses").append(make("p", { class: "note" }, "This pair is blank or too long: it has no weights."));
      return;
    }
    const panel = makePanel(sentence, hypothesis, number);
    panels.push(panel);
    $("hypotheses").append(panel.element);
    drawLines(panel);
    drawMap(panel);
    resizes.observe(panel.element);
  });
  paint();
}

function makePanel(sentence, hypothesis, number) {
  const reading = readHypothesis(contents, sentence, hypothesis, view);
  const panel = { number, reading, element: make("section", { class: `pair ${view.level === "word" ? "" : "pieces"}` }) };
  const facts = [`mean probability ${percent(confidence(hypothesis))}`];
  if (hypothesis.score !== null) facts.unshift(`score ${hypothesis.score.toFixed(3)}`);
  if (sentence.hypotheses.length > 1) facts.unshift(`${number + 1} of ${sentence.hypotheses.length}`);
  const words = make("div", { class: "words" });
  panel.lines = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  panel.lines.setAttribute("aria-hidden", "true");
  words.classList.toggle("probabilities", view.probabilities);
  panel.tokens = { src: [], tgt: [] };
  words.append(panel.lines, makeSide(panel, "src", "Source words"), makeSide(panel, "tgt", "Target words"));
  panel.map = make("div", { class: "map", tabindex: "-1" });
  panel.element.append(make("h3", {}, facts.join(" · ")), words, panel.map);
  panel.map.addEventListener("pointermove", (event) => pointInMap(panel, event));
  panel.map.addEventListener("pointerleave", () => point([]));
  panel.map.addEventListener("click", (event) => {
    const cell = cellAt(panel.geometry, event);
    if (cell) pin(nameOf(panel, "tgt", cell.tgt));
  });
  return panel;
}

function makeSide(panel, side, label) {
  const box = make("div", {
    class: `side ${side}`, role: "listbox", dir: "auto", "aria-label": label,
    "aria-multiselectable": "true", "aria-orientation": "horizontal",
  });
  panel.reading[side].forEach((text, index) => {
    const end = index === panel.reading[side].length - 1;
    const token = make("span", { class: end ? "token end" : "token", role: "option", "aria-selected": "false" }, text);
    token.tabIndex = index ? -1 : 0;
    const name = nameOf(panel, side, index);
    if (side === "tgt") token.style.setProperty("--probability", panel.reading.probabilities[index]);
    token.addEventListener("pointerenter", () => point([name], token, hint(panel, side, index)));
    token.addEventListener("pointerleave", () => point([]));
    token.addEventListener("focus", () => point([name], token, hint(panel, side, index)));
    token.addEventListener("blur", () => point([]));
    token.addEventListener("click", () => pin(name));
    token.addEventListener("keydown", (event) => useKey(panel, side, index, event));
    panel.tokens[side].push(token);
    box.append(token);
  });
  return box;
}

/** What the tip says of a token. */
function hint(panel, side, index) {
  return side === "tgt" ? `probability ${panel.reading.probabilities[index].toFixed(3)}` : null;
}

function useKey(panel, side, index, event) {
  const tokens = panel.tokens[side];
  const forward = getComputedStyle(tokens[0].parentElement).direction === "rtl" ? "ArrowLeft" : "ArrowRight";
  const backward = forward === "ArrowRight" ? "ArrowLeft" : "ArrowRight";
  const strongest = () => {
    const { weights } = panel.reading;
    const those = side === "src" ? weights.map((row) => row[index]) : [...weights[index]];
    return panel.tokens[side === "src" ? "tgt" : "src"][those.indexOf(Math.max(...those))];
  };
  let next = null;
  if (event.key === forward) next = tokens[index + 1];
  else if (event.key === backward) next = tokens[index - 1];
  else if (event.key === "Home") next = tokens[0];
  else if (event.key === "End") next = tokens.at(-1);
  else if (event.key === "ArrowDown" && side === "src") next = strongest();
  else if (event.key === "ArrowUp" && side === "tgt") next = strongest();
  else if (event.key === "Enter" || event.key === " ") pin(nameOf(panel, side, index));
  else if (!event.key.startsWith("Arrow")) return;
  event.preventDefault();
  if (next) moveFocus(next);
}

/** Focus a token; Tab comes back to it. */
function moveFocus(token) {
  for (const other of token.parentElement.children) other.tabIndex = other === token ? 0 : -1;
  token.focus();
}

// ---- what is lit

function pin(name) {
  if (!pinned.delete(name)) pinned.add(name);
  paint();
}

function letGo() {
  pinned = new Set();
  point([]);
}

/** Point at tokens; the tip says something beside an element or at a place. */
function point(names, place = null, text = null) {
  pointed = names;
  paint();
  $("tip").hidden = text === null;
  if (text === null) return;
  $("tip").textContent = text;
  const box = place instanceof Element ? place.getBoundingClientRect() : { left: place.x, bottom: place.y };
  const { offsetWidth, offsetHeight } = $("tip");
  $("tip").style.left = `${Math.max(4, Math.min(box.left, innerWidth - offsetWidth - 8))}px`;
  $("tip").style.top = `${Math.min(box.bottom + 6, innerHeight - offsetHeight - 4)}px`;
}

function pointInMap(panel, event) {
  const cell = cellAt(panel.geometry, event);
  if (!cell) return point([]);
  const { src, tgt, weights } = panel.reading;
  const place = { x: event.clientX + 14, y: event.clientY + 8 };
  const text = `\u2068${src[cell.src]}\u2069 – \u2068${tgt[cell.tgt]}\u2069 ${(100 * weights[cell.tgt][cell.src]).toFixed(1)}%`;
  return point([nameOf(panel, "src", cell.src), nameOf(panel, "tgt", cell.tgt)], place, text);
}

/** Light what is pinned and pointed at, and the words linked to it. */
function paint() {
  const active = new Set([...pinned, ...pointed]);
  const said = [];
  for (const panel of panels) {
    const { tokens, reading } = panel;
    const weights = { src: new Map(), tgt: new Map() }; // of linked tokens
    panel.element.classList.toggle("lit", active.size > 0);
    reading.links.forEach(([src, tgt], link) => {
      const [fromSrc, fromTgt] = [active.has(nameOf(panel, "src", src)), active.has(nameOf(panel, "tgt", tgt))];
      const weight = reading.weights[tgt][src];
      if (fromSrc) weights.tgt.set(tgt, Math.max(weight, weights.tgt.get(tgt) ?? 0));
      if (fromTgt) weights.src.set(src, Math.max(weight, weights.src.get(src) ?? 0));
      panel.paths[link].classList.toggle("on", fromSrc || fromTgt);
    });
    for (const { link, path } of panel.missed) {
      const [src, tgt] = link;
      path.classList.toggle("on", active.has(nameOf(panel, "src", src)) || active.has(nameOf(panel, "tgt", tgt)));
    }
    const lit = [];
    for (const side of ["src", "tgt"]) {
      tokens[side].forEach((token, index) => {
        const name = nameOf(panel, side, index);
        const weight = weights[side].get(index);
        token.classList.toggle("active", active.has(name));
        token.classList.toggle("linked", weight !== undefined);
        token.style.setProperty("--weight", weight ?? 0);
        token.setAttribute("aria-selected", pinned.has(name));
        if (active.has(name)) lit.push({ side, index, pinned: pinned.has(name) });
      });
    }
    lightHeatmap(panel.geometry, lit);
    const told = pointed.length === 1 ? pointed : pointed.length ? [] : [...pinned];
    for (const { side, index } of lit) if (told.includes(nameOf(panel, side, index))) said.push(tell(panel, side, index));
  }
  $("status").textContent = said.join("; ");
}

/** A token and its links, in words, the strongest first; isolated, so that no script turns another around. */
function tell(panel, side, index) {
  const { reading } = panel;
  const word = (text) => `\u2068${text}\u2069`;
  const found = reading.links
    .filter(([src, tgt]) => (side === "src" ? src : tgt) === index)
    .map(([src, tgt]) => ({ text: side === "src" ? reading.tgt[tgt] : reading.src[src], weight: reading.weights[tgt][src] }))
    .sort((one, other) => other.weight - one.weight)
    .map(({ text, weight }) => `${word(text)} ${percent(weight)}`);
  return `${word(reading[side][index])} → ${found.join(", ") || "no word"}`;
}

// ---- lines and maps

function drawLines(panel) {
  const { lines, tokens, reading } = panel;
  const frame = lines.getBoundingClientRect();
  const judge = judgeOf(reading.gold);
  const line = ([src, tgt], kind, weight) => {
    const [one, other] = [tokens.src[src].getBoundingClientRect(), tokens.tgt[tgt].getBoundingClientRect()];
    const [x, y] = [one.left + one.width / 2 - frame.left, one.bottom - frame.top];
    const [u, v] = [other.left + other.width / 2 - frame.left, other.top - frame.top];
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("d", `M${x} ${y}C${x} ${(y + v) / 2} ${u} ${(y + v) / 2} ${u} ${v}`);
    path.setAttribute("class", kind);
    path.setAttribute("stroke-width", 0.75 + 2.5 * weight);
    path.setAttribute("stroke-opacity", 0.25 + 0.75 * weight);
    return path;
  };
  panel.paths = reading.links.map((link) => line(link, judge(link), reading.weights[link[1]][link[0]]));
  const found = new Set(reading.links.map(String));
  const missed = (reading.gold?.sure ?? []).filter((link) => !found.has(String(link)));
  panel.missed = missed.map((link) => ({ link, path: line(link, "missed", 0.5) }));
  lines.replaceChildren(...panel.paths, ...panel.missed.map(({ path }) => path));
}

/** Whether a link is right, by gold; nothing without gold. */
function judgeOf(gold) {
  if (!gold) return () => "";
  const right = new Set([...gold.sure, ...gold.possible].map(String));
  return (link) => (right.has(String(link)) ? "right" : "wrong");
}

function drawMap(panel) {
  panel.geometry = drawHeatmap(panel.map, panel.reading, panel.element.clientWidth);
}

// ---- controls

const CONTROLS = ["layer", "head", "shift", "level", "mode", "gold", "probabilities"];

function readControls() {
  view = {
    layer: Number($("layer").value) - 1,
    head: $("head").value === "mean" ? null : Number($("head").value) - 1,
    shift: Number($("shift").value),
    level: $("level").value,
    mode: $("mode").value,
    threshold: Number($("threshold").value) / 100,
    gold: $("gold").checked,
    probabilities: $("probabilities").checked,
  };
  $("threshold-value").textContent = `${$("threshold").value}%`;
}

/** Say above which attention is read, and below what the marks mean. */
function describe() {
  const { reading, layers, heads, every, maps } = contents;
  const as = (one, other) => one.layer === other.layer && one.head === other.head && one.shift === other.shift;
  const kept = every ? "" : ` · only this map of ${layers * heads} is in the page (--all-heads has every one)`;
  const parts = [];
  if (layers > 1) parts.push(`layer ${view.layer + 1} of ${layers}`);
  if (heads > 1) parts.push(view.head === null ? `mean of ${heads} heads` : `head ${view.head + 1} of ${heads}`);
  parts.push(view.shift ? "shifted" : "plain");
  $("about").textContent = (as(view, reading) ? reading.words : parts.join(", ")) + kept;
  const gold = view.gold && view.level === "word" && contents.sentences[selected]?.gold;
  $("legend").hidden = !gold && !view.probabilities;
  $("legend").textContent = [
    gold && "Gold: solid green links are right, orange ones wrong, dotted grey ones missed; in the map a sure link has a thick box, a possible one a thin dashed one.",
    view.probabilities && "The bar below a target word is its probability: long and green is sure.",
  ].filter(Boolean).join(" ");
}

function setControls() {
  const { reading, level, threshold } = contents;
  $("layer").value = reading.layer + 1;
  $("head").value = reading.head === null ? "mean" : reading.head + 1;
  $("shift").value = reading.shift;
  $("level").value = level;
  $("mode").value = threshold === null ? "strongest" : "threshold";
  $("threshold").value = Math.round(100 * (threshold ?? 0.2));
  $("gold").checked = $("probabilities").checked = true;
}

function fillControls() {
  const { layers, heads, every } = contents;
  const option = (value, text) => make("option", { value }, text);
  $("layer").replaceChildren(...Array.from({ length: layers }, (_, layer) => option(layer + 1, layer + 1)));
  $("head").replaceChildren(option("mean", "mean"), ...Array.from({ length: heads }, (_, head) => option(head + 1, head + 1)));
  $("layer-control").hidden = !every || layers === 1;
  $("head-control").hidden = !every || heads === 1;
  $("gold-control").hidden = !contents.sentences.some((sentence) => sentence.gold);
  setControls();
  for (const id of CONTROLS) $(id).addEventListener("change", change);
  $("threshold").addEventListener("input", () => {
    $("mode").value = "threshold";
    change();
  });
  $("reset").addEventListener("click", () => {
    setControls();
    change();
  });
}

function change() {
  readControls();
  show();
}

function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

/** After light or dark was chosen here or by the system: canvases do not follow by themselves. */
function followTheme() {
  $("theme").textContent = isDark() ? "Light" : "Dark";
  panels.forEach(drawMap);
  paint();
}

// Lines and maps fit the width of their panel.
const resizes = new ResizeObserver((entries) => {
  for (const { target, contentRect } of entries) {
    const panel = panels.find(({ element }) => element === target);
    if (!panel || panel.width === contentRect.width) continue;
    const first = panel.width === undefined;
    panel.width = contentRect.width;
    drawLines(panel);
    if (!first) drawMap(panel);
    paint();
  }
});

async function start() {
  contents = await unpack($("data").textContent.trim());
  contents.sentences.forEach((sentence, index) => {
    sentence.number = index + 1;
    const [best] = sentence.hypotheses;
    sentence.confidence = best.pieces.length ? confidence(best) : null;
  });
  $("columns").hidden = false;
  const asked = Number(location.hash.slice(1)) - 1;
  selected = contents.sentences[asked] ? asked : 0;
  fillControls();
  readControls();
  listSentences();
  $("search").addEventListener("input", listSentences);
  $("order").addEventListener("change", listSentences);
  $("sentences").addEventListener("keydown", moveInList);
  document.addEventListener("keydown", (event) => event.key === "Escape" && letGo());
  $("theme").addEventListener("click", () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    followTheme();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", followTheme);
  if (contents.sentences.length) show();
  followTheme();
}

start().catch((error) => {
  $("failure").hidden = false;
  $("failure").textContent = `This page cannot be shown (${error.message}): it needs a browser of 2024 or later.`;
});
