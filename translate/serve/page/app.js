// What a person does on the page, and what it asks the server for.

import { parts, translateDocument } from "./documents.js";
import { showChoices, showMap } from "./details.js";
import { openHistory, remember } from "./past.js";
import { ask, Problem } from "./server.js";
import { isolate, percent, readAlignment, Texts } from "./words.js";

const AUTO = "auto";
const AHEAD = 20; // lines whose words are asked for before somebody points at them
const KNOWN = 2000; // translated lines that are remembered
const REST = 1500; // milliseconds without typing, after which a text is announced and goes into the history
const $ = (id) => document.getElementById(id);
const input = $("input");

let settings; // of GET /frontend/settings
let languages; // of GET /languages
let detected = null; // code of the language that was found, with auto
let active = 0; // the line that the details are of
let wanted = null; // the line that somebody points at
let translating = null; // AbortController of what is asked for the text
let explaining = null; // likewise for the words of its lines
let typing, resting, retrying; // timers
const known = new Map(); // languages and source line -> line

const texts = new Texts(
  { input, backdrop: $("backdrop"), output: $("output") },
  { lit: tellLight, look: activate, want: (index) => ((wanted = index), explain()) },
);

// ---- languages

const nameOf = (code) => languages.find((language) => language.code === code)?.name ?? code;
const targetsOf = (source) =>
  languages.find((language) => language.code === source)?.targets ?? [...new Set(languages.flatMap(({ targets }) => targets))];
const source = () => ($("source").value === AUTO ? detected : $("source").value);

function listLanguages() {
  const sources = languages.filter(({ targets }) => targets.length);
  $("source").replaceChildren(
    new Option("Detect language", AUTO),
    ...sources.map(({ code, name }) => new Option(name, code)),
  );
  $("source").value = settings.language.source.code;
  listTargets(settings.language.target.code);
}

/** Offer the languages that the source can be translated to; keep the chosen one if it is among them. */
function listTargets(chosen = $("target").value) {
  const targets = targetsOf(source());
  $("target").replaceChildren(...targets.map((code) => new Option(nameOf(code), code)));
  $("target").value = targets.includes(chosen) ? chosen : targets[0];
  if ($("source").value === AUTO) {
    $("source").options[0].textContent = detected ? `Detected: ${nameOf(detected)}` : "Detect language";
  }
  const [from, to] = [source(), $("target").value];
  $("swap").disabled = !from || !targetsOf(to).includes(from);
  $("swap").title = from && $("swap").disabled ? `No model here translates ${nameOf(to)} to ${nameOf(from)}` : "Swap the languages";
  input.lang = source() ?? "";
  $("output").lang = $("target").value;
}

function swap() {
  const [from, to] = [source(), $("target").value];
  const translated = translation();
  $("source").value = to;
  detected = null;
  listTargets(from);
  setText(translated || input.value);
}

/** The languages of a text: those chosen, or what the server finds and that can be translated to. */
async function wayOf(text, signal) {
  let from = $("source").value;
  if (from === AUTO) {
    const found = text.trim() ? await ask("detect", { ...fields(), q: text }, signal) : [];
    from = found.find(({ language }) => targetsOf(language).length)?.language ?? settings.language.source.code;
  }
  const targets = targetsOf(from);
  const chosen = $("target").value;
  return { source: from, target: targets.includes(chosen) ? chosen : targets[0] };
}

/** What every request says. */
const fields = () => ($("key").value ? { api_key: $("key").value } : {});

// ---- translating

const translation = () => texts.lines.map(({ tgt, stale }) => tgt ?? stale).join("\n");

function setText(text) {
  input.value = text;
  changed(0);
  input.focus();
}

/** The text is another one: what was asked for it is given up, and soon the new one is translated. */
function changed(wait = settings.frontendTimeout) {
  translating?.abort();
  explaining?.abort();
  explaining = null;
  for (const timer of [typing, resting, retrying]) clearTimeout(timer);
  count();
  showLines();
  typing = setTimeout(update, wait);
}

function count() {
  const size = [...input.value].length;
  const [number, limit] = [size, settings.charLimit].map((each) => each.toLocaleString("en"));
  $("counter").textContent = `${number} / ${limit}`;
  $("counter").classList.toggle("over", size > settings.charLimit);
  $("clear").hidden = !size;
  return size <= settings.charLimit;
}

const keyOf = (src) => JSON.stringify([source(), $("target").value, src]);

/** Show what is known of the text; a line that is not has the old translation until it is. */
function showLines() {
  const old = texts.lines;
  const lines = input.value.toWellFormed().split("\n").map((src, index) => {
    if (!src.trim()) return { src, tgt: src, stale: "", choices: [], aligned: null };
    const stale = old[index]?.tgt ?? old[index]?.stale ?? "";
    return known.get(keyOf(src)) ?? { src, tgt: null, stale, choices: null, aligned: null, problem: null };
  });
  texts.show(lines);
  active = Math.min(active, lines.length - 1);
  const empty = !input.value.trim();
  $("output").hidden = empty;
  $("nothing").hidden = !empty;
  $("copy").disabled = empty || lines.some(({ tgt }) => tgt === null);
  $("translation").setAttribute("aria-busy", String(lines.some(({ tgt }) => tgt === null)));
  showDetails();
}

async function update() {
  const asking = (translating = new AbortController());
  if (!input.value.trim()) {
    detected = null;
    listTargets();
    tell(null);
    showLines();
    return;
  }
  if (!count()) return tell(new Problem(`The text is longer than ${settings.charLimit.toLocaleString("en")} characters.`, 413));
  if (settings.keyRequired && !$("key").value) return tell(new Problem("This server wants an API key: enter it above.", 400));
  try {
    const text = input.value.toWellFormed();
    const way = await wayOf(text, asking.signal);
    if ($("source").value === AUTO) {
      detected = way.source;
      listTargets(way.target);
      showLines();
    }
    const missing = [...new Set(texts.lines.filter(({ tgt }) => tgt === null).map(({ src }) => src))];
    for (const part of parts(missing, settings.charLimit)) {
      const answer = await ask("translate", { ...fields(), ...way, q: part }, asking.signal);
      part.forEach((src, number) => learn(src, answer.translatedText[number]));
      showLines();
    }
    tell(null);
    explain();
    settle(way);
  } catch (error) {
    fail(error, update);
  }
}

function learn(src, tgt) {
  if (known.size >= KNOWN) known.clear();
  known.set(keyOf(src), { src, tgt, stale: "", choices: null, aligned: null, problem: null });
}

/** A text that nobody has changed for a while is read out and remembered, if it is whole. */
function settle(way) {
  clearTimeout(resting);
  resting = setTimeout(() => {
    if (texts.lines.some(({ tgt }) => tgt === null)) return;
    $("spoken").textContent = translation();
    remember({ src: input.value, tgt: translation(), ...way });
  }, REST);
}

// ---- words, other translations, the map

/** Ask for what is not known yet of the lines, what somebody looks at first; one thing at a time. */
async function explain() {
  if (explaining) return;
  const { signal } = (explaining = new AbortController());
  const way = { source: source(), target: $("target").value };
  try {
    for (let line = nextLine(); line; line = nextLine()) {
      if (!line.aligned) await align(line, way, signal);
      else await findChoices(line, way, signal);
      texts.redraw(line);
      if (texts.lines[active] === line) {
        texts.followCursor();
        showDetails();
      }
    }
    if ($("retry").onclick === explain) tell(null);
  } catch (error) {
    fail(error, explain);
  } finally {
    if (explaining?.signal === signal) explaining = null;
  }
}

function nextLine() {
  const { lines } = texts;
  const unread = (line) => line?.tgt?.trim() && !line.aligned && !line.problem;
  const first = [lines[wanted], lines[active]].find(unread);
  if (first) return first;
  if (lines[active]?.tgt?.trim() && lines[active].choices === null) return lines[active];
  return lines.slice(0, AHEAD).find(unread);
}

async function align(line, way, signal) {
  const { src, tgt } = line;
  try {
    line.aligned = readAlignment(await ask("align", { ...fields(), ...way, src, tgt }, signal));
  } catch (error) {
    if (error.status !== 400) throw error;
    line.problem = error.message;
  }
}

async function findChoices(line, way, signal) {
  const answer = await ask("translate", { ...fields(), ...way, q: line.src, alternatives: 4 }, signal);
  line.choices = [...new Set([line.tgt, answer.translatedText, ...answer.alternatives])];
}

function choose(line, text) {
  if (text === line.tgt) return;
  explaining?.abort();
  explaining = null;
  Object.assign(line, { tgt: text, aligned: null, problem: null });
  texts.redraw(line);
  showDetails();
  explain();
  settle({ source: source(), target: $("target").value });
}

function activate(index) {
  if (index === active) return;
  active = index;
  showDetails();
  explain();
}

function showDetails() {
  const line = texts.lines[active];
  if (line && line.src.trim() && line.tgt === null && !$("details").hidden) return; // what was, until it comes
  $("details").hidden = !line?.src.trim() || !line.tgt?.trim();
  if ($("details").hidden) return;
  showChoices(line, (text) => choose(line, text));
  showMap(line.aligned, line.problem);
}

/** Say which words are lit, for those who do not see it too. */
function tellLight(place, links = []) {
  if (!place) {
    $("told").textContent = "";
    return;
  }
  const { src, tgt, weights, probabilities } = texts.lines[place.index].aligned;
  const [own, other] = place.side === "src" ? [src, tgt] : [tgt, src];
  const partners = links.map(([i, j]) => {
    return `${isolate(other.tokens[place.side === "src" ? j : i])} ${percent(weights[j][i])}`;
  });
  const arrow = place.side === "src" ? "→" : "←";
  const words = [`${isolate(own.tokens[place.word])} ${arrow} ${partners.join(", ") || "no word"}`];
  if (place.side === "tgt") words.push(`${percent(probabilities[place.word])} sure`);
  const told = words.join(" · ");
  if ($("told").textContent !== told) $("told").textContent = told;
}

// ---- problems

function fail(error, again) {
  if (error.name === "AbortError") return;
  if (!(error instanceof Problem)) throw error;
  tell(error, again);
}

/** Say what is wrong and how it may go on, or that nothing is. */
function tell(problem, again = update) {
  clearTimeout(retrying);
  $("problem").hidden = !problem;
  $("translation").classList.toggle("failed", Boolean(problem));
  if (!problem) return;
  const soon = problem.seconds && ` Trying again in ${problem.seconds} s.`;
  $("problem-text").textContent = `${problem.message}${soon || ""}`;
  $("translation").setAttribute("aria-busy", "false");
  $("retry").onclick = again;
  if (problem.seconds) retrying = setTimeout(again, 1000 * problem.seconds);
}

// ---- the page

async function copy() {
  const text = translation();
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Without TLS there is no clipboard but this one.
    getSelection().selectAllChildren($("output"));
    document.execCommand("copy");
  }
  $("copy").textContent = "Copied";
  setTimeout(() => ($("copy").textContent = "Copy"), REST);
}

function readDocuments(files) {
  for (const file of files) void translateDocument(file, { limit: settings.charLimit, wayOf, fields });
}

function dropDocuments() {
  const holds = (event) => event.dataTransfer?.types.includes("Files");
  addEventListener("dragover", (event) => {
    if (!holds(event)) return;
    event.preventDefault();
    document.body.classList.add("dropping");
  });
  addEventListener("dragleave", (event) => event.relatedTarget || document.body.classList.remove("dropping"));
  addEventListener("drop", (event) => {
    document.body.classList.remove("dropping");
    if (!holds(event)) return;
    event.preventDefault();
    readDocuments(event.dataTransfer.files);
  });
  $("open-file").addEventListener("click", () => $("file").click());
  $("file").addEventListener("change", () => {
    readDocuments($("file").files);
    $("file").value = "";
  });
}

function chooseTheme() {
  const dark = () => getComputedStyle(document.documentElement).colorScheme === "dark"
    || (!document.documentElement.dataset.theme && matchMedia("(prefers-color-scheme: dark)").matches);
  const name = () => ($("theme").textContent = dark() ? "Light" : "Dark");
  $("theme").addEventListener("click", () => {
    document.documentElement.dataset.theme = dark() ? "light" : "dark";
    name();
  });
  name();
}

/** Words are lit from the map too. */
function pointInMap(event) {
  const cell = event.target.closest?.(".cell");
  texts.point(cell ? { index: active, side: "tgt", word: Number(cell.dataset.tgt) } : null);
}

function listen() {
  input.addEventListener("input", () => changed());
  $("source").addEventListener("change", () => ((detected = null), listTargets(), changed(0)));
  $("target").addEventListener("change", () => (listTargets(), changed(0)));
  $("key").addEventListener("change", () => changed(0));
  $("key-field").addEventListener("submit", (event) => event.preventDefault()); // Enter is a change too
  $("swap").addEventListener("click", swap);
  $("clear").addEventListener("click", () => setText(""));
  $("copy").addEventListener("click", copy);
  $("confidence").addEventListener("change", () => $("output").classList.toggle("doubts", $("confidence").checked));
  $("output").classList.toggle("doubts", $("confidence").checked);
  $("map").addEventListener("pointermove", pointInMap);
  $("map").addEventListener("pointerleave", () => texts.point(null));
  addEventListener("online", () => $("problem").hidden || update());
  openHistory((entry) => {
    if (targetsOf(entry.source).includes(entry.target)) $("source").value = entry.source;
    listTargets(entry.target);
    setText(entry.src);
  });
  dropDocuments();
}

async function begin() {
  try {
    [settings, languages] = await Promise.all([ask("frontend/settings"), ask("languages")]);
  } catch (error) {
    return fail(error, begin);
  }
  tell(null);
  $("key-field").hidden = !settings.keyRequired;
  listLanguages();
  listen();
  changed(0); // a browser may have kept a text
}

chooseTheme();
void begin();
