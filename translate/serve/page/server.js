// Asking the server that served this page.

/** Why there is no answer: words for a person, the status, and seconds to wait if that helps. */
export class Problem extends Error {
  constructor(message, status, seconds = null) {
    super(message);
    this.status = status;
    this.seconds = seconds;
  }
}

const WORDS = {
  403: () => "The server does not know this API key.",
  408: () => "The text came too slowly to the server.",
  413: () => "This text is too large for the server.",
  429: (error) => `The server is busy (${error}).`,
  500: () => "The server made a mistake.",
  503: () => "The server is stopping or has too many visitors.",
  504: () => "The translation took too long.",
};

/**
 * Ask and return the answer.
 *
 * @param {string} path relative to the page, such as "translate"
 * @param {object} [fields] what is posted; without it, GET
 * @param {AbortSignal} [signal]
 * @throws {Problem} or an AbortError
 */
export async function ask(path, fields, signal) {
  const posted = fields && {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(fields),
  };
  let response;
  try {
    response = await fetch(path, { ...posted, signal });
    if (response.ok) return await response.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(navigator.onLine ? "The server does not answer." : "You are offline.", 0);
  }
  const answer = await response.json().catch(() => ({}));
  const error = typeof answer.error === "string" ? answer.error : "";
  const words = WORDS[response.status]?.(error) ?? (error || `The server answered ${response.status}.`);
  const seconds = response.status === 429 ? Number(response.headers.get("Retry-After")) || 1 : null;
  throw new Problem(words, response.status, seconds);
}
