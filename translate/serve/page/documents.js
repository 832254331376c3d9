// Documents that are dropped in or opened: translated, and handed back as downloads.

import { ask, Problem } from "./server.js";
import { make, percent } from "./words.js";

const KINDS = { txt: "text", html: "html", htm: "html" };
const LINES = 100; // of a request

/**
 * Translate a document, and show in the list how it goes.
 *
 * @param {File} file
 * @param {{limit: number, wayOf: Function, fields: Function}} how characters of a request; finds a text's
 *     languages; what else every request says
 */
export async function translateDocument(file, how) {
  const list = document.getElementById("document-list");
  document.getElementById("documents").hidden = false;
  const stopped = new AbortController();
  const item = make("li");
  const status = make("span", "status", { role: "status" }, "translating");
  const button = make("button", "quiet", { type: "button", "aria-label": `Remove ${file.name}` }, "Remove");
  item.append(make("span", "name", { dir: "auto" }, file.name), status, make("span", "spring"), button);
  list.prepend(item);
  let url = null;
  button.addEventListener("click", () => {
    stopped.abort();
    if (url) URL.revokeObjectURL(url);
    item.remove();
    document.getElementById("documents").hidden = !list.children.length;
    document.getElementById("open-file").focus();
  });
  try {
    const translated = await translate(file, how, stopped.signal, (share) => (status.textContent = percent(share)));
    url = URL.createObjectURL(new Blob([translated.text], { type: "application/octet-stream" }));
    const name = file.name.replace(/(\.\w+)$/, `.${translated.target}$1`);
    status.textContent = "done";
    button.before(make("a", "download", { href: url, download: name }, `Download ${name}`));
  } catch (error) {
    if (error.name === "AbortError") return;
    if (!(error instanceof Problem)) throw error;
    status.textContent = error.message;
    item.classList.add("failed");
  }
}

async function translate(file, how, signal, progress) {
  const format = KINDS[/\.(\w+)$/.exec(file.name)?.[1].toLowerCase()];
  if (!format) throw new Problem("Only .txt and .html documents are translated.", 0);
  const text = await read(file);
  const sample = format === "html" ? text.replace(/<[^>]*>/g, " ") : text;
  const { source, target } = await how.wayOf(sample.slice(0, how.limit), signal);
  const fields = { ...how.fields(), source, target, format };
  if (format === "html") {
    const answer = await ask("translate", { ...fields, q: text }, signal);
    return { text: answer.translatedText, target };
  }
  const lines = text.split("\n");
  const done = [];
  for (const part of parts(lines, how.limit)) {
    const answer = await ask("translate", { ...fields, q: part }, signal);
    done.push(...answer.translatedText);
    progress(done.length / lines.length);
  }
  return { text: done.join("\n"), target };
}

async function read(file) {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer());
  } catch {
    throw new Problem("This document is not UTF-8 text.", 0);
  }
}

/** Lines in parts that a request may have: so many lines, so many characters (a longer line stays alone). */
export function* parts(lines, limit) {
  let part = [];
  let size = 0;
  for (const line of lines) {
    if (part.length && (part.length === LINES || size + line.length > limit)) {
      yield part;
      [part, size] = [[], 0];
    }
    part.push(line);
    size += line.length;
  }
  if (part.length) yield part;
}
