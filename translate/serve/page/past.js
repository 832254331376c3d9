// The history: what was translated, kept in this browser only, as long as a person wants it.

import { make } from "./words.js";

const MOST = 50;
const [ENTRIES, SWITCH] = ["seq2see.history", "seq2see.keep"];
const $ = (id) => document.getElementById(id);

/** What is stored, or nothing where storing is forbidden or somebody else's. */
function load() {
  try {
    const entries = JSON.parse(localStorage.getItem(ENTRIES) ?? "[]");
    return entries.filter((entry) => typeof entry.src === "string" && typeof entry.tgt === "string");
  } catch {
    return [];
  }
}

function store(name, value) {
  try {
    localStorage.setItem(name, value);
  } catch {
    // Full, or forbidden: the page works without.
  }
}

function kept() {
  try {
    return localStorage.getItem(SWITCH) !== "no";
  } catch {
    return false;
  }
}

/** Remember a translation; a text that only goes on takes the place of its beginning. */
export function remember(entry) {
  if (!kept() || !entry.src.trim()) return;
  const entries = load().filter((old) => !(sameWay(old, entry) && old.src === entry.src));
  const [last] = entries;
  if (last && sameWay(last, entry) && (entry.src.startsWith(last.src) || last.src.startsWith(entry.src))) entries.shift();
  store(ENTRIES, JSON.stringify([entry, ...entries].slice(0, MOST)));
}

const sameWay = (one, other) => one.source === other.source && one.target === other.target;

/** Make the history's window work. `use` gets the entry that a person chooses. */
export function openHistory(use) {
  const draw = () => {
    const entries = load();
    $("keep").checked = kept();
    $("no-history").hidden = entries.length > 0;
    $("forget").disabled = !entries.length;
    $("past").replaceChildren(
      ...entries.map((entry) => {
        const button = make("button", "choice", { type: "button" });
        button.append(
          make("span", "way", {}, `${entry.source} → ${entry.target}`),
          make("span", "", { dir: "auto" }, entry.src),
          make("span", "tgt", { dir: "auto" }, entry.tgt),
        );
        button.addEventListener("click", () => {
          $("history").close();
          use(entry);
        });
        const item = make("li");
        item.append(button);
        return item;
      }),
    );
  };
  $("open-history").addEventListener("click", () => {
    draw();
    $("history").showModal();
  });
  $("close-history").addEventListener("click", () => $("history").close());
  $("history").addEventListener("click", (event) => event.target === $("history") && $("history").close());
  $("forget").addEventListener("click", () => {
    store(ENTRIES, "[]");
    draw();
    $("close-history").focus();
  });
  $("keep").addEventListener("change", () => {
    store(SWITCH, $("keep").checked ? "yes" : "no");
    if (!$("keep").checked) store(ENTRIES, "[]");
    draw();
  });
}
