// What attention is computed from, and how: queries and keys of the classes that are in the browser
// give the row of any pixel, layer and head. Nothing here draws; see `live_attention.py` for what is
// sent. A row is a Float32Array over SSR's cells that sums to one.

window.errsegAttention = (() => {
const {numbers, pixels} = window.errsegHelpers;
const MOST = 30; // times more, and times less, than the average: the ends of the scale
const FAR = 0.25; // of the photo's diagonal: farther than this is far
const MIDDLE = 128 * 256 + 128; // of 16-bit codes: small ones, of either sign, differ in their low byte only

/** Unpack tiles of bytes from a grey picture: (count, rows, columns) as they were put in. */
async function tiles(sent, count) {
  const [rows, columns] = sent.grid;
  const {data, width} = await pixels(sent.picture);
  const out = new Uint8Array(count * rows * columns);
  for (let tile = 0; tile < count; tile++) {
    const left = (tile % sent.columns) * columns;
    const top = Math.floor(tile / sent.columns) * rows;
    for (let row = 0; row < rows; row++) {
      const from = (top + row) * width + left;
      const into = (tile * rows + row) * columns;
      for (let column = 0; column < columns; column++) out[into + column] = data[4 * (from + column)];
    }
  }
  return out;
}

/** Unpack queries or keys: values by layer and head, then cell by cell, a cell's channels side by side. */
async function vectors(sent, layers, heads, step) {
  const {channels, grid} = sent;
  const cells = grid[0] * grid[1];
  const count = layers * heads * channels;
  const bytes = await tiles(sent, 2 * count); // all low bytes, then all high ones
  const out = new Float32Array(count * cells);
  for (let plane = 0; plane < count; plane++) {
    const [part, channel] = [Math.floor(plane / channels), plane % channels];
    for (let cell = 0; cell < cells; cell++) {
      const at = plane * cells + cell;
      const code = bytes[at] + 256 * bytes[count * cells + at] - MIDDLE;
      out[(part * cells + cell) * channels + channel] = code * step;
    }
  }
  return {values: out, channels, cells};
}

/** Unpack what SFM's rows of one class are made of; layers before `first` are those of another pass. */
async function spatialParts(sent) {
  const {layers, heads, first, step} = sent;
  const [query, key] = await Promise.all([sent.query, sent.key].map((part) => vectors(part, layers, heads, step)));
  return {first, layers, heads, query, key, average: numbers(sent.average).values};
}

/** Unpack all that was sent of one class. */
async function unpackClass(sent) {
  const [spatial, without, classes] = await Promise.all([
    sent.spatial && spatialParts(sent.spatial),
    sent.without && spatialParts(sent.without),
    sent.classes && tiles(sent.classes, sent.classes.count),
  ]);
  return {index: sent.index, spatial, without, classes};
}

/** SFM's row of one head: from a cell of the queries' grid to all cells of the keys'. */
function headRow(parts, layer, head, cell) {
  const {query, key, heads} = parts;
  const part = (layer - parts.first) * heads + head;
  const channels = query.channels;
  const from = (part * query.cells + cell) * channels;
  const keys = part * key.cells * channels;
  const row = new Float32Array(key.cells);
  let most = -Infinity;
  for (let source = 0; source < key.cells; source++) {
    let product = 0;
    for (let c = 0; c < channels; c++) {
      product += query.values[from + c] * key.values[keys + source * channels + c];
    }
    row[source] = product;
    if (product > most) most = product;
  }
  let sum = 0;
  for (let source = 0; source < key.cells; source++) {
    row[source] = Math.exp(row[source] - most);
    sum += row[source];
  }
  for (let source = 0; source < key.cells; source++) row[source] /= sum;
  return row;
}

/** The row of a chosen head, or the mean over heads. */
function spatialRow(parts, layer, head, cell) {
  if (head !== 'mean') return headRow(parts, layer, Number(head), cell);
  return meanOf(Array.from({length: parts.heads}, (_, each) => headRow(parts, layer, each, cell)));
}

/** The mean of the rows of all queries, of a chosen head or over heads. */
function averageRow(parts, layer, head) {
  const cells = parts.key.cells;
  const of = (each) => {
    const start = ((layer - parts.first) * parts.heads + each) * cells;
    return parts.average.subarray(start, start + cells);
  };
  if (head !== 'mean') return of(Number(head));
  return meanOf(Array.from({length: parts.heads}, (_, each) => of(each)));
}

function meanOf(rows) {
  const mean = new Float32Array(rows[0].length);
  for (const row of rows) for (let i = 0; i < mean.length; i++) mean[i] += row[i] / rows.length;
  return mean;
}

/** A row in times the average cell's weight. */
const timesAverage = (row) => row.map((weight) => weight * row.length);

/** How many times more one row says than another; what is below the scale says nothing in either. */
function ratio(row, other) {
  const least = 1 / (MOST * row.length);
  return row.map((weight, i) => (weight + least) / (other[i] + least));
}

/** CFM's row of a class, over the kept classes, at a cell of CSR's grid: the chosen head's, or the mean. */
function classRow(codes, sizes, layer, head, cell) {
  const {kept, heads, cells} = sizes;
  const of = (each) => {
    const row = new Float32Array(kept);
    let sum = 0;
    for (let other = 0; other < kept; other++) {
      // Codes are roots of shares of the row's largest weight; the row sums to one.
      row[other] = codes[((layer * heads + each) * kept + other) * cells + cell] ** 2;
      sum += row[other];
    }
    return row.map((weight) => weight / sum);
  };
  if (head !== 'mean') return of(Number(head));
  return meanOf(Array.from({length: heads}, (_, each) => of(each)));
}

/** The cell of a grid (rows, columns) in which the network has the pixel under a point: shares of a
 * photo of a size (width, height). */
function cellAt(point, [rows, columns], [width, height]) {
  const cell = (share, size, cells) =>
    Math.min(Math.max(Math.floor((Math.floor(share * size) * cells) / size), 0), cells - 1);
  return cell(point[1], height, rows) * columns + cell(point[0], width, columns);
}

/** The cell of CSR's pooled grid in which a cell of the grid lies. */
function pooledCell(cell, grid, pooled, reduction) {
  const row = Math.min(Math.floor(Math.floor(cell / grid[1]) / reduction), pooled[0] - 1);
  const column = Math.min(Math.floor((cell % grid[1]) / reduction), pooled[1] - 1);
  return row * pooled[1] + column;
}

/** The centre of a cell, as shares of the photo. */
function centre(cell, [rows, columns]) {
  return [((cell % columns) + 0.5) / columns, (Math.floor(cell / columns) + 0.5) / rows];
}

/** For each cell of a grid, the share of the pixels in it that a class has: {labels, width, height}
 * are those of the masks. */
function coverage({labels, width, height}, index, [rows, columns]) {
  const own = new Float32Array(rows * columns);
  const all = new Float32Array(rows * columns);
  const columnOf = Uint16Array.from({length: width}, (_, x) => Math.floor((x * columns) / width));
  for (let y = 0, i = 0; y < height; y++) {
    const first = Math.floor((y * rows) / height) * columns;
    for (let x = 0; x < width; x++, i++) {
      const cell = first + columnOf[x];
      all[cell] += 1;
      if (labels[i] === index) own[cell] += 1;
    }
  }
  // A grid may be finer than a tiny photo: its cells then have what the pixel there has.
  return own.map((count, cell) => (all[cell] ? count / all[cell] : Number(labelAt(cell) === index)));

  function labelAt(cell) {
    const [x, y] = centre(cell, [rows, columns]);
    return labels[Math.floor(y * height) * width + Math.floor(x * width)];
  }
}

/** The share of CFM's attention from the classes at some places to those classes, or null: the left
 * side of Proposition 1. `between` are mean weights from each of `count` classes to each. */
function shareBetween(between, count, places) {
  if (!places.length) return null;
  let share = 0;
  for (const from of places) for (const to of places) share += between[from * count + to];
  return share / places.length;
}

/** The share of a row that lies on what is covered. */
function shareOn(row, covered) {
  let share = 0;
  for (let i = 0; i < row.length; i++) share += row[i] * covered[i];
  return share;
}

/** The share of a row on cells whose centres are farther from a point than `FAR` of the diagonal. */
function shareFar(row, grid, point, [width, height]) {
  const far = FAR * Math.hypot(width, height);
  let share = 0;
  for (let i = 0; i < row.length; i++) {
    const [x, y] = centre(i, grid);
    if (Math.hypot((x - point[0]) * width, (y - point[1]) * height) > far) share += row[i];
  }
  return share;
}

/** Where times the average stand on the logarithmic scale, in [0, 1]. */
const onScale = (times) => Math.min(Math.max((Math.log(times) / Math.log(MOST) + 1) / 2, 0), 1);

return {
  MOST, FAR, tiles, unpackClass, headRow, spatialRow, averageRow, timesAverage, ratio, classRow,
  cellAt, pooledCell, centre, coverage, shareOn, shareBetween, shareFar, onScale,
};
})();
