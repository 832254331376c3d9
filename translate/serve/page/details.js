// What is told of the line at the cursor: other translations, and the map of its attention's weights.

import { confidence, make, percent } from "./words.js";

const CELLS = 4000; // more are no picture any more, and slow to draw
const END = "end";

/**
 * Show a line's translations to choose from.
 *
 * @param {{choices: string[] | null, tgt: string}} line
 * @param {(text: string) => void} choose
 */
export function showChoices(line, choose) {
  const note = document.getElementById("choices-note");
  const list = document.getElementById("choices");
  const focused = list.contains(document.activeElement);
  const choices = line.choices ?? [];
  note.textContent = line.choices === null ? "…" : choices.length < 2 ? "The model has no other." : "";
  note.hidden = !note.textContent;
  list.replaceChildren(
    ...choices.map((text) => {
      const button = make("button", "choice", { type: "button", dir: "auto" }, text);
      button.setAttribute("aria-pressed", String(text === line.tgt));
      button.addEventListener("click", () => choose(text));
      const item = make("li");
      item.append(button);
      return item;
    }),
  );
  if (focused) list.querySelector('[aria-pressed="true"]')?.focus();
}

/**
 * Show a line's weights as a table: a row for each target word, a column for each source word.
 *
 * @param {object | null} aligned as `readAlignment` returns it
 * @param {string | null} problem why there is none
 */
export function showMap(aligned, problem) {
  const box = document.getElementById("map");
  const note = document.getElementById("map-note");
  const size = aligned ? aligned.src.tokens.length * aligned.tgt.tokens.length : 0;
  const shown = size > 0 && size <= CELLS;
  if (problem) note.textContent = problem;
  else if (!aligned) note.textContent = "…";
  else if (!shown) note.textContent = "This line has too many words for a map.";
  else note.textContent = `The model was ${percent(confidence(aligned))} sure, on average over these words.`;
  box.hidden = !shown;
  box.replaceChildren(...(shown ? [makeMap(aligned)] : []));
}

function makeMap({ src, tgt, weights, probabilities }) {
  const table = make("table");
  table.append(make("caption", "hidden", {}, "How much each translated word (row) drew from each source word (column)"));
  const head = make("tr");
  head.append(make("td"));
  names(src).forEach((text) => head.append(header("col", text)));
  head.append(make("th", "sure", { scope: "col" }, "sure"));
  const top = make("thead");
  top.append(head);
  const body = make("tbody");
  names(tgt).forEach((text, row) => {
    const line = make("tr");
    line.append(header("row", text));
    weights[row].forEach((weight, column) => {
      const cell = make("td", "cell", { "data-src": column, "data-tgt": row });
      cell.style.setProperty("--weight", Math.min(1, weight).toFixed(3));
      cell.append(make("span", weight >= 0.05 ? "" : "faint", {}, percent(weight)));
      line.append(cell);
    });
    line.append(make("td", "sure", {}, percent(probabilities[row])));
    body.append(line);
  });
  table.append(top, body);
  return table;
}

function header(scope, text) {
  const cell = make("th", "", { scope });
  cell.append(make("span", text === END ? "end" : "", { dir: "auto" }, text));
  return cell;
}

/** The words of a side, and the end of sentence. */
const names = ({ tokens }) => [...tokens.slice(0, -1), END];
