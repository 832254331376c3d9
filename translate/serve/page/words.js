// Both texts as words: drawn line by line, and lit where they belong together.

const LINE_BREAK = "\n";

/** What is shown of an answer of /align: words as parts of the texts, weights, links, probabilities. */
export function readAlignment(answer) {
  return {
    src: readSide(answer.src, answer.src_tokens, answer.src_offsets),
    tgt: readSide(answer.tgt, answer.tgt_tokens, answer.tgt_offsets),
    weights: answer.weights,
    links: answer.links,
    probabilities: answer.scores.map(Math.exp),
  };
}

/** The server counts characters; a string here is counted in UTF-16 units. */
function readSide(text, tokens, offsets) {
  const units = [0];
  for (const character of text) units.push(units.at(-1) + character.length);
  const spans = offsets.slice(0, -1).map(([begin, end]) => [units[begin], units[end]]);
  return { tokens, spans }; // the last token is the end of sentence, which is no part of the text
}

/** How sure the model was of a line: the mean of its pieces would hide a bad word less than this does. */
export function confidence({ probabilities }) {
  const logs = probabilities.map(Math.log);
  return Math.exp(logs.reduce((sum, log) => sum + log, 0) / logs.length);
}

/**
 * The two texts on the page.
 *
 * A line is {src, tgt, stale, aligned}: `tgt` is null until it is translated, and `stale` shown so long.
 */
export class Texts {
  /**
   * @param {{input: HTMLTextAreaElement, backdrop: Element, output: Element}} elements the backdrop has the
   *     same text as the input, at the same place behind it; its words are what is lit.
   * @param {{lit: Function, look: Function, want: Function}} told when another word is lit, when a line
   *     is looked at, and when its words are wanted
   */
  constructor(elements, told) {
    Object.assign(this, elements);
    this.told = told;
    this.lines = [];
    this.pointed = null; // the word under the pointer: {index, side, word}
    this.rested = null; // the word with the focus or the cursor
    this.input.addEventListener("pointermove", (event) => this.point(this.under(event)));
    this.input.addEventListener("pointerleave", () => this.point(null));
    this.output.addEventListener("pointermove", (event) => this.point(placeOf(event.target)));
    this.output.addEventListener("pointerleave", () => this.point(null));
    this.output.addEventListener("focusin", (event) => this.rest(placeOf(event.target)));
    this.output.addEventListener("focusout", () => this.rest(null));
    this.output.addEventListener("keydown", (event) => this.useKey(event));
    this.input.addEventListener("blur", () => this.rest(null));
    document.addEventListener("selectionchange", () => this.followCursor());
  }

  /** Show these lines. */
  show(lines) {
    this.lines = lines;
    this.pointed = this.rested = null;
    this.backdrop.replaceChildren();
    this.output.replaceChildren();
    lines.forEach((_, index) => {
      const line = make("span", "line");
      this.backdrop.append(line, LINE_BREAK); // the last one too: it keeps the height of an empty line
      this.output.append(make("div", "line", { dir: "auto", role: "presentation" }));
      this.draw(index);
    });
    this.followCursor();
  }

  /** Draw all lines that are this one, as far as it is known. */
  redraw(line) {
    const focused = placeOf(document.activeElement);
    this.lines.forEach((each, index) => each === line && this.draw(index));
    if (focused && this.lines[focused.index] === line) moveTo(this.word({ ...focused, word: 0 }));
    this.paint();
  }

  draw(index) {
    const { src, tgt, stale, aligned } = this.lines[index];
    fill(this.backdrop.children[index], src, aligned?.src.spans ?? [], (span) => this.name(span, "src", index));
    const box = this.output.children[index];
    box.classList.toggle("stale", tgt === null);
    const text = tgt ?? stale;
    const whole = text.trim() ? [[0, text.length]] : []; // one thing to focus, until its words are known
    fill(box, text, (tgt !== null && aligned?.tgt.spans) || whole, (span, word) => {
      this.name(span, "tgt", index);
      span.setAttribute("role", "option");
      span.setAttribute("aria-selected", "false");
      span.tabIndex = -1;
      if (tgt === null || !aligned) return;
      span.style.setProperty("--doubt-share", (1 - aligned.probabilities[word]).toFixed(3));
    });
    if (!this.output.querySelector('[tabindex="0"]')) {
      const first = this.output.querySelector(".word");
      if (first) first.tabIndex = 0;
    }
  }

  name(span, side, index) {
    span.dataset.side = side;
    span.dataset.index = index;
  }

  // ---- light

  point(place) {
    if (same(place, this.pointed)) return;
    this.pointed = place;
    this.paint();
  }

  rest(place) {
    if (same(place, this.rested)) return;
    this.rested = place;
    if (place) this.told.look(place.index);
    this.paint();
  }

  /** Light a word and those it came from or went into. */
  paint() {
    for (const word of document.querySelectorAll(".word.active, .word.linked")) {
      word.classList.remove("active", "linked");
      if (word.dataset.side === "tgt") word.setAttribute("aria-selected", "false");
    }
    const place = this.pointed ?? this.rested;
    const line = place && this.lines[place.index];
    if (line && !line.aligned) this.told.want(place.index);
    if (!line?.aligned || line.tgt === null) return this.told.lit(null);
    const { links, weights } = line.aligned;
    const here = this.word(place);
    here?.classList.add("active");
    if (place.side === "tgt") here?.setAttribute("aria-selected", "true");
    const own = links.filter(([src, tgt]) => (place.side === "src" ? src : tgt) === place.word);
    for (const [src, tgt] of own) {
      const other = place.side === "src" ? { side: "tgt", word: tgt } : { side: "src", word: src };
      const word = this.word({ ...other, index: place.index });
      word?.classList.add("linked");
      word?.style.setProperty("--weight", weights[tgt][src].toFixed(3));
    }
    return this.told.lit(place, own);
  }

  word({ index, side, word }) {
    const box = (side === "src" ? this.backdrop : this.output).children[index];
    return box?.querySelectorAll(".word")[word];
  }

  /** The source word under the pointer: behind the input lies the same text, in words. */
  under(event) {
    const behind = document.elementsFromPoint(event.clientX, event.clientY);
    return placeOf(behind.find((element) => element.matches("#backdrop .word")));
  }

  /** The word that the input's cursor is in or at. */
  followCursor() {
    if (document.activeElement !== this.input) return;
    const before = this.input.value.slice(0, this.input.selectionStart).split(LINE_BREAK);
    const [index, column] = [before.length - 1, before.at(-1).length];
    const spans = this.lines[index]?.aligned?.src.spans ?? [];
    const word = spans.findIndex(([begin, end]) => begin <= column && column <= end);
    this.told.look(index);
    this.rest(word < 0 ? null : { index, side: "src", word });
  }

  // ---- keys

  useKey(event) {
    const words = [...this.output.querySelectorAll(".word")];
    const at = words.indexOf(event.target);
    if (at < 0) return;
    const box = event.target.closest(".line");
    const right = getComputedStyle(box).direction === "rtl" ? -1 : 1;
    const lines = [...this.output.children].filter((line) => line.querySelector(".word"));
    const beside = (step) => lines[lines.indexOf(box) + step]?.querySelector(".word");
    const next = {
      ArrowRight: () => words[at + right],
      ArrowLeft: () => words[at - right],
      ArrowDown: () => beside(1),
      ArrowUp: () => beside(-1),
      Home: () => words[0],
      End: () => words.at(-1),
      Escape: () => this.input,
    }[event.key];
    if (!next) return;
    event.preventDefault();
    moveTo(next());
  }
}

/** Focus a word; Tab comes back to it. */
function moveTo(element) {
  if (element?.classList.contains("word")) {
    for (const word of element.closest("#output").querySelectorAll('.word[tabindex="0"]')) word.tabIndex = -1;
    element.tabIndex = 0;
  }
  element?.focus();
}

/** Put a text into an element, with these parts of it as words. */
function fill(box, text, spans, dress) {
  const parts = [];
  let from = 0;
  spans.forEach(([begin, end], number) => {
    const span = make("span", "word", { "data-word": number }, text.slice(begin, end));
    dress(span, number);
    parts.push(text.slice(from, begin), span);
    from = end;
  });
  box.replaceChildren(...parts, text.slice(from));
}

function placeOf(element) {
  const word = element?.closest?.(".word");
  if (!word) return null;
  return { index: Number(word.dataset.index), side: word.dataset.side, word: Number(word.dataset.word) };
}

function same(one, other) {
  return one?.index === other?.index && one?.side === other?.side && one?.word === other?.word;
}

/** Make an element; a text stays a text. */
export function make(tag, classes = "", attributes = {}, text = null) {
  const element = document.createElement(tag);
  if (classes) element.className = classes;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== null) element.textContent = text;
  return element;
}

/** A text inside a sentence of this page, whichever way it is written. */
export const isolate = (text) => `\u2068${text}\u2069`;
export const percent = (share) => `${Math.round(100 * share)}%`;
