// A heatmap on two canvases: the map, drawn once, and above it what is lit.

const LONGEST_LABEL = 24; // characters
const MOST_PIXELS = 8000; // of a canvas's side; browsers refuse much larger ones

/** The colours of the page as it is now, light or dark. */
function palette() {
  const probe = document.body.appendChild(document.createElement("span"));
  const colors = {};
  for (const name of ["surface", "ink", "quiet", "rule", "blue", "amber", "green"]) {
    probe.style.color = `var(--${name})`;
    colors[name] = getComputedStyle(probe).color;
  }
  probe.remove();
  return colors;
}

function shorten(label) {
  const characters = [...label];
  return characters.length <= LONGEST_LABEL ? label : `${characters.slice(0, LONGEST_LABEL - 1).join("")}…`;
}

function makeCanvas(width, height, scale) {
  const canvas = document.createElement("canvas");
  canvas.width = width * scale;
  canvas.height = height * scale;
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  canvas.getContext("2d").scale(scale, scale);
  return canvas;
}

/** Draw a map into a box; return its cells' place, for pointing and lighting. */
function drawHeatmap(box, reading, room) {
  const [rows, columns] = [reading.tgt.length, reading.src.length];
  const measure = document.createElement("canvas").getContext("2d");
  const font = (size) => `${size}px ${getComputedStyle(document.body).fontFamily}`;
  const widest = (labels, size) => {
    measure.font = font(size);
    return Math.ceil(Math.max(...labels.map((label) => measure.measureText(label).width)));
  };
  const [src, tgt] = [reading.src.map(shorten), reading.tgt.map(shorten)];
  const left = widest(tgt, 12) + 10;
  const cell = Math.floor(Math.min(30, Math.max((room - left - 40) / columns, 15), MOST_PIXELS / Math.max(rows, columns)));
  const size = Math.max(6, Math.min(12, cell - 2));
  const slant = Math.ceil(widest(src, size) * Math.SQRT1_2);
  const top = slant + size + 6;
  const [width, height] = [left + columns * cell + slant + size, top + rows * cell + 2];
  const scale = Math.min(window.devicePixelRatio || 1, 2, MOST_PIXELS / Math.max(width, height));
  const [base, above] = [makeCanvas(width, height, scale), makeCanvas(width, height, scale)];
  const geometry = { left, top, cell, rows, columns, size, base, above };
  base.setAttribute("role", "img");
  base.setAttribute("aria-label", `Map of weights, ${columns} source by ${rows} target tokens; the words above tell the same`);
  above.setAttribute("aria-hidden", "true");
  drawCells(base.getContext("2d"), geometry, reading.weights);
  drawLabels(base.getContext("2d"), geometry, src, tgt, font(size));
  if (reading.gold) drawGold(base.getContext("2d"), geometry, reading.gold);
  box.replaceChildren(base, above);
  return geometry;
}

function drawCells(context, { left, top, cell, rows, columns }, weights) {
  const colors = palette();
  context.fillStyle = colors.surface;
  context.fillRect(left, top, columns * cell, rows * cell);
  context.fillStyle = colors.blue;
  weights.forEach((row, tgt) =>
    row.forEach((weight, src) => {
      if (weight < 0.002) return;
      context.globalAlpha = weight;
      context.fillRect(left + src * cell, top + tgt * cell, cell, cell);
    }),
  );
  context.globalAlpha = 1;
  context.lineWidth = 1;
  const line = (x, y, dx, dy, color) => {
    context.strokeStyle = color;
    context.beginPath();
    context.moveTo(x + 0.5, y + 0.5);
    context.lineTo(x + dx + 0.5, y + dy + 0.5);
    context.stroke();
  };
  for (let at = 0; at <= columns; at++) {
    line(left + at * cell, top, 0, rows * cell, at === columns - 1 ? colors.quiet : colors.rule);
  }
  for (let at = 0; at <= rows; at++) {
    line(left, top + at * cell, columns * cell, 0, at === rows - 1 ? colors.quiet : colors.rule);
  }
}

function drawLabels(context, { left, top, cell, rows, columns, size }, src, tgt, font) {
  const colors = palette();
  context.font = font;
  context.textBaseline = "middle";
  tgt.forEach((label, row) => {
    context.fillStyle = row === rows - 1 ? colors.quiet : colors.ink;
    context.textAlign = "right";
    context.fillText(label, left - 6, top + (row + 0.5) * cell);
  });
  src.forEach((label, column) => {
    context.fillStyle = column === columns - 1 ? colors.quiet : colors.ink;
    context.textAlign = "left";
    context.save();
    context.translate(left + (column + 0.5) * cell, top - 4 - size / 4);
    context.rotate(-Math.PI / 4);
    context.fillText(label, 0, 0);
    context.restore();
  });
}

/** Sure gold links have a thick box, possible ones a thin dashed one. */
function drawGold(context, { left, top, cell }, gold) {
  const box = ([src, tgt], width, dashes) => {
    context.lineWidth = width;
    context.setLineDash(dashes);
    context.strokeRect(left + src * cell + 2.5, top + tgt * cell + 2.5, cell - 4, cell - 4);
  };
  context.strokeStyle = palette().sure;
  gold.sure.forEach((link) => box(link, 2, []));
  gold.possible.forEach((link) => box(link, 1, [2, 2]));
  context.setLineDash([]);
}

/** Frame the rows and columns that are lit. */
function lightHeatmap({ left, top, cell, rows, columns, above }, lit) {
  const context = above.getContext("2d");
  context.clearRect(0, 0, above.width, above.height);
  const colors = palette();
  context.lineWidth = 2;
  for (const { side, index, pinned } of lit) {
    context.strokeStyle = pinned ? colors.amber : colors.ink;
    if (side === "src") context.strokeRect(left + index * cell, top, cell + 1, rows * cell + 1);
    else context.strokeRect(left, top + index * cell, columns * cell + 1, cell + 1);
  }
}

/** The cell under the pointer, or null. */
function cellAt({ left, top, cell, rows, columns, above }, event) {
  const box = above.getBoundingClientRect();
  const src = Math.floor((event.clientX - box.left - left) / cell);
  const tgt = Math.floor((event.clientY - box.top - top) / cell);
  return src >= 0 && src < columns && tgt >= 0 && tgt < rows ? { src, tgt } : null;
}
