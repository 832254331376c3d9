"use strict";
// From the page's data to weights of pieces and of words, as translate/alignment/extract.py and words.py have it.

/** Decompress the page's data: a length, that many bytes of JSON, then the weights, a byte each. */
async function unpack(base64) {
  const packed = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  const length = new DataView(bytes.buffer).getUint32(0);
  const contents = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
  let begin = 4 + length;
  for (const sentence of contents.sentences) {
    for (const hypothesis of sentence.hypotheses) {
      const size = contents.maps * hypothesis.pieces.length * sentence.pieces.length;
      hypothesis.bytes = bytes.subarray(begin, (begin += size));
    }
  }
  return contents;
}

/** Rows of weights of pieces: one map, or the mean of a layer's; shifted, a row is that of the next step. */
function readPieces(contents, sentence, hypothesis, view) {
  const [rows, columns] = [hypothesis.pieces.length, sentence.pieces.length];
  const { every, heads } = contents;
  const first = every ? view.layer * heads + (view.head ?? 0) : 0;
  const count = every && view.head === null ? heads : 1;
  return Array.from({ length: rows }, (_, row) => {
    const from = view.shift ? Math.min(row + 1, rows - 1) : row;
    const weights = new Float64Array(columns);
    for (let map = first; map < first + count; map++) {
      const begin = (map * rows + from) * columns;
      for (let column = 0; column < columns; column++) weights[column] += hypothesis.bytes[begin + column];
    }
    return weights.map((weight) => weight / (255 * count));
  });
}

/** A source word gets what its pieces get together; a target word gives the mean of what its pieces give. */
function toWords(rows, sentence, hypothesis) {
  const columns = sentence.words.length;
  const summed = rows.map((row) => {
    const weights = new Float64Array(columns);
    sentence.owners.forEach((word, piece) => (weights[word] += row[piece]));
    weights[columns - 1] = row[row.length - 1];
    return weights;
  });
  const mean = (pieces) => {
    const weights = new Float64Array(columns);
    for (const piece of pieces) summed[piece].forEach((weight, word) => (weights[word] += weight / pieces.length));
    return weights;
  };
  return [...hypothesis.rows.map(mean), summed[summed.length - 1]];
}

/** What is shown of a hypothesis: tokens of both sides, rows of weights, links, probabilities. */
function readHypothesis(contents, sentence, hypothesis, view) {
  const words = view.level === "word";
  const pieces = readPieces(contents, sentence, hypothesis, view);
  const weights = words ? toWords(pieces, sentence, hypothesis) : pieces;
  const sum = (those) => those.reduce((total, piece) => total + hypothesis.logProbs[piece], 0);
  return {
    src: words ? sentence.words : sentence.pieces,
    tgt: words ? hypothesis.words : hypothesis.pieces,
    weights,
    links: findLinks(weights, view),
    gold: words && view.gold ? sentence.gold : null,
    probabilities: words
      ? [...hypothesis.rows.map(sum), hypothesis.logProbs.at(-1)].map(Math.exp)
      : hypothesis.logProbs.map(Math.exp),
  };
}

/** Links [source, target] of every token but the end of sentence: the first of the highest, or all high ones. */
function findLinks(weights, view) {
  const links = [];
  weights.slice(0, -1).forEach((row, tgt) => {
    const end = row.length - 1;
    if (view.mode === "strongest") {
      const src = row.indexOf(Math.max(...row));
      if (src !== end) links.push([src, tgt]);
    } else {
      for (let src = 0; src < end; src++) if (row[src] >= view.threshold - 1e-9) links.push([src, tgt]);
    }
  });
  return links;
}

/** Mean probability of the pieces of a hypothesis, its end included. */
function confidence(hypothesis) {
  const { logProbs } = hypothesis;
  return logProbs.reduce((total, logProb) => total + Math.exp(logProb), 0) / logProbs.length;
}
