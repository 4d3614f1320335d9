// What the masks are drawn with, pixel by pixel. Nothing here knows what a visitor chose.

window.errsegMasks = (() => {
const {make, heat, afterPaint, bytesOf, numbers, pixels} = window.errsegHelpers;
const NO_CLASS = 65535; // label of pixels without a class
const LONGEST_NAME = 40; // letters of a class's name in a file's, as `pictures/masks.py` has it
const GREY = [0.299, 0.587, 0.114]; // of red, green and blue, as in ITU-R 601
const OPACITY = 0.55; // of the classes' colours, as `pictures/overlay.py` has it
const DIMMED = 0.6; // of the grey photo's light beside a class in the spotlight

/** The light of a pixel without a class, over the grey photo. */
const noneAt = (grey) => 20 + 0.55 * grey;

const greyAt = (pixels, p) => GREY[0] * pixels[p] + GREY[1] * pixels[p + 1] + GREY[2] * pixels[p + 2];

/** Begin to decode a photo. */
function decodePhoto(source) {
  const image = new Image();
  image.src = source;
  return {source, parts: Promise.all([pixels(source), image.decode().then(() => image)])};
}

/** Unpack what else doesn't depend on the threshold: votes, and probability maps, which are decoded
 * when the masks are on the screen. */
function decodeScores({of, maps, ranking}) {
  const shown = new Promise((done) => afterPaint(done));
  return {of, maps: shown.then(() => pixels(maps.picture)), votes: numbers(ranking)};
}

/** Read the labels of a picture that `view.label_picture` made, from its pixels. */
function labelsOf({data, width, height}) {
  const labels = new Uint16Array(width * height);
  for (let i = 0; i < labels.length; i++) labels[i] = data[4 * i] + 256 * data[4 * i + 1];
  return labels;
}

/** Read the labels that `packing.runs` packed, row by row. */
function labelsOfRuns({size: [width, height], runs}) {
  const words = new DataView(bytesOf(runs).buffer);
  const labels = new Uint16Array(width * height);
  for (let at = 0, p = 0; p < words.byteLength; p += 4) {
    const end = at + words.getUint16(p + 2, true);
    labels.fill(words.getUint16(p, true), at, end);
    at = end;
  }
  return labels;
}

/** Call draw(i, own, neighbour) for every pixel i; neighbour is a label at its right or below that
 * differs from its own, or -1. */
function everyPixel(labels, width, draw) {
  for (let i = 0, column = 0; i < labels.length; i++) {
    const own = labels[i];
    const right = ++column < width ? labels[i + 1] : own;
    const below = i + width < labels.length ? labels[i + width] : own;
    if (column === width) column = 0;
    draw(i, own, right !== own ? right : below !== own ? below : -1);
  }
}

/** The same blend as `errseg.pictures.overlay`: colours, greyer photo below, light lines around what
 * is shown. `colors` are by label; `isShown(label)`. */
function paintMasks(image, photo, labels, {colors, isShown, opacity}) {
  const greyShare = opacity * (1 - opacity);
  const photoShare = 1 - opacity - greyShare;
  const shown = new Uint8Array(NO_CLASS + 1);
  const tints = new Float32Array(3 * NO_CLASS + 3); // of the labels, as they are added; rounds
  const greys = new Float32Array(NO_CLASS + 1).fill(greyShare); // of the light, as it is added
  shown[NO_CLASS] = isShown(NO_CLASS);
  tints.fill(noneAt(0) * opacity + 0.5, 3 * NO_CLASS);
  greys[NO_CLASS] += (noneAt(1) - noneAt(0)) * opacity;
  for (const [label, color] of Object.entries(colors)) {
    shown[label] = isShown(Number(label));
    tints.set(color.map((light) => light * opacity + 0.5), 3 * label);
  }
  const from = photo.data;
  const to = new Uint8Array(image.data.buffer); // cuts what is behind the point, at once
  const {width} = image;
  const last = labels.length - width; // from here on nothing is below
  const [red, green, blue] = GREY;
  // A loop without calls: a million pixels take a few milliseconds so, and a visitor waits for them.
  for (let i = 0, p = 0, column = 0; i < labels.length; i++, p += 4) {
    const own = labels[i];
    const right = ++column < width ? labels[i + 1] : own;
    const below = i < last ? labels[i + width] : own;
    if (column === width) column = 0;
    const other = right !== own ? right : below;
    to[p + 3] = 255;
    if (other !== own && (shown[own] || shown[other])) {
      to[p] = to[p + 1] = to[p + 2] = 255;
    } else if (!shown[own]) {
      to[p] = from[p];
      to[p + 1] = from[p + 1];
      to[p + 2] = from[p + 2];
    } else {
      const light = (red * from[p] + green * from[p + 1] + blue * from[p + 2]) * greys[own];
      to[p] = from[p] * photoShare + light + tints[3 * own];
      to[p + 1] = from[p + 1] * photoShare + light + tints[3 * own + 1];
      to[p + 2] = from[p + 2] * photoShare + light + tints[3 * own + 2];
    }
  }
}

/** A canvas with all classes over the photo. */
function masked(photo, labels, colors) {
  const canvas = make('canvas', {width: photo.width, height: photo.height});
  const image = new ImageData(photo.width, photo.height);
  paintMasks(image, photo, labels, {colors, isShown: () => true, opacity: OPACITY});
  canvas.getContext('2d').putImageData(image, 0, 0);
  return canvas;
}

/** One class as the photo has it, the rest grey. */
function paintSpotlight(image, photo, labels, label) {
  everyPixel(labels, image.width, (i, own, neighbour) => {
    const p = 4 * i;
    const edge = neighbour >= 0 && (own === label || neighbour === label);
    const grey = greyAt(photo.data, p) * DIMMED;
    for (let c = 0; c < 3; c++) {
      image.data[p + c] = edge ? 255 : own === label ? photo.data[p + c] : grey;
    }
    image.data[p + 3] = 255;
  });
}

/** One class's score at every pixel, scoreAt(x, y) from 0 to 1, over the grey photo. */
function paintScores(image, photo, scoreAt) {
  for (let y = 0, p = 0; y < image.height; y++) {
    for (let x = 0; x < image.width; x++, p += 4) {
      const grey = greyAt(photo.data, p);
      const color = heat(scoreAt(x, y));
      for (let c = 0; c < 3; c++) image.data[p + c] = 0.3 * grey + 0.7 * color[c];
      image.data[p + 3] = 255;
    }
  }
}

/** The photo where a class is and nothing elsewhere, as large as the box around the class. */
function cutOut(photo, labels, label) {
  const {width} = photo;
  let [left, top, right, bottom] = [Infinity, Infinity, -1, -1];
  labels.forEach((own, i) => {
    if (own !== label) return;
    const [x, y] = [i % width, Math.floor(i / width)];
    [left, top, right, bottom] = [Math.min(left, x), Math.min(top, y), Math.max(right, x), Math.max(bottom, y)];
  });
  const canvas = make('canvas', {width: right - left + 1, height: bottom - top + 1});
  const image = new ImageData(canvas.width, canvas.height);
  for (let y = top, p = 0; y <= bottom; y++) {
    for (let x = left; x <= right; x++, p += 4) {
      const i = y * width + x;
      if (labels[i] !== label) continue;
      for (let c = 0; c < 3; c++) image.data[p + c] = photo.data[4 * i + c];
      image.data[p + 3] = 255;
    }
  }
  canvas.getContext('2d').putImageData(image, 0, 0);
  return canvas;
}

/** Name a class's picture as `pictures/masks.py` does: safe on every system. */
function fileName(index, name) {
  const letters = name.normalize('NFC').replace(/[^\p{L}\p{M}\p{N}]/gu, ' ').trim().replace(/\s+/g, '_');
  const short = [...letters].slice(0, LONGEST_NAME).join('').replace(/^_+|_+$/g, '');
  return short ? `${index}_${short}.png` : `${index}.png`;
}

return {
  NO_CLASS, OPACITY, greyAt, noneAt, decodePhoto, decodeScores, labelsOf, labelsOfRuns, paintMasks, masked,
  paintSpotlight, paintScores, cutOut, fileName,
};
})();
