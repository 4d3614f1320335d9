// Helpers of the panels' scripts. They stand in the page's head (see `panels.py`), so they are there
// before any panel. What a visitor typed only ever becomes text (`textContent`), never HTML.

window.errsegHelpers = (() => {
const FRAME = 17; // milliseconds, of a screen that shows 60 a second
const VIRIDIS = [
  [68, 1, 84], [71, 45, 123], [59, 82, 139], [44, 114, 142], [33, 145, 140],
  [40, 174, 128], [94, 201, 98], [173, 220, 48], [253, 231, 37],
];

/** Make an element: make('button', {type: 'button', class: 'x'}, 'text', child, ...). */
function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, '');
    else if (value !== false && value != null) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child != null));
  return made;
}

/** Call render(data, root) now and whenever the server sends other data, and clear() when it takes
 * them away. Of an answer that is here it may send what other settings change: {needs, changes}, where
 * `needs` names what the answer has to have, {field: value}; where it isn't here lacks() is called.
 * Gradio owns `element` and takes foreign children out of it, so what is drawn stands in a root of
 * its own behind it. */
function follow(element, render, clear = () => {}, lacks = () => {}) {
  const root = make('div', {class: 'errseg-root'});
  element.after(root);
  let last = null;
  let whole = null; // what was sent last, with all its changes
  const look = () => {
    const text = element.querySelector('[data-view]')?.dataset.view ?? '';
    if (text === last) return;
    last = text;
    const sent = text ? JSON.parse(text) : null;
    if (sent?.changes && !Object.entries(sent.needs).every(([name, value]) => whole?.[name] === value)) {
      lacks();
      return;
    }
    whole = sent?.changes ? {...whole, ...sent.changes} : sent;
    if (!whole) clear();
    keepFocus(root, () => (whole ? render(whole, root) : root.replaceChildren()));
  };
  new MutationObserver(look).observe(element, {
    attributes: true, attributeFilter: ['data-view'], childList: true, subtree: true,
  });
  look();
}

/** Change what stands in a root; who was at one of its controls is at the same one afterwards, or, if
 * it is gone, at the first of the others. */
function keepFocus(root, change) {
  const before = document.activeElement;
  const name = before !== root && root.contains(before) ? controlName(before) : null;
  const again = () => {
    const isElsewhere = document.activeElement !== document.body; // who has gone on since stays there
    if (name == null || before.isConnected || isElsewhere) return;
    const controls = [...root.querySelectorAll('button, input, select, summary, [tabindex]')];
    const next = controls.find((control) => controlName(control) === name)
      ?? controls.find((control) => control.checkVisibility() && !control.disabled);
    if (!next) root.tabIndex = -1;
    (next ?? root).focus({preventScroll: true});
  };
  const later = change();
  if (later instanceof Promise) later.then(again);
  else again();
}

/** Show an element or hide it; who is at it when it goes is at another one then. */
function showIf(element, isShown, other) {
  const leaves = !isShown && element.contains(document.activeElement);
  element.hidden = !isShown;
  if (leaves) other.focus({preventScroll: true});
}

const controlName = (control) => `${control.tagName} ${control.dataset.control ??
  control.getAttribute('aria-label') ?? control.labels?.[0]?.innerText ?? control.innerText}`;

/** Call act(place) with a place of the page, as soon as Gradio has made it. */
function whenThere(selector, act) {
  const place = document.querySelector(selector);
  if (place) act(place);
  else setTimeout(() => whenThere(selector, act), 50);
}

/** The last two parts of a file's path, as they stand in a picture's address too. */
function filePart(path) {
  let plain = path;
  try { plain = decodeURIComponent(path); } catch { /* it was plain already */ }
  return plain.split(/[?#]/)[0].split('/').slice(-2).join('/');
}

/** Whether a button stops a question that is under way, see `page/stop.py`. */
const saysStop = (button) => button?.textContent.trim() === 'Stop';

/** The address of the photo that is asked about, or null where there is none. */
function photoInBox() {
  return document.querySelector('#errseg-photo img')?.getAttribute('src') ?? null;
}

/** Tell the other panels something: what is shown (photo), where the query is. */
function tell(news) {
  window.errseg = {...window.errseg, ...news};
  document.dispatchEvent(new CustomEvent('errseg'));
}

/** Call act() when what stands on the page by now is on the screen, which it is a frame after it was
 * painted; what is out of sight is not painted. */
function afterPaint(act) {
  if (document.hidden) setTimeout(act);
  else requestAnimationFrame(() => setTimeout(act, FRAME));
}

/** The bytes that stand in a text in base64. */
function bytesOf(text) {
  const letters = atob(text);
  const bytes = new Uint8Array(letters.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = letters.charCodeAt(i);
  return bytes;
}

/** Unpack `view.packed`: {shape, values}. */
function numbers(packed) {
  const bytes = bytesOf(packed.data);
  const words = new DataView(bytes.buffer);
  const [least, most] = packed.range;
  const values = new Float32Array(bytes.length / 2);
  for (let i = 0; i < values.length; i++) {
    values[i] = least + (words.getUint16(2 * i, true) / 65535) * (most - least);
  }
  return {shape: packed.shape, values, range: packed.range};
}

/** Decode a picture and return its pixels as RGBA bytes. */
async function pixels(source) {
  const image = new Image();
  image.src = source;
  await image.decode();
  const canvas = make('canvas', {width: image.naturalWidth, height: image.naturalHeight});
  const context = canvas.getContext('2d', {willReadFrequently: true});
  context.drawImage(image, 0, 0);
  return context.getImageData(0, 0, canvas.width, canvas.height);
}

/** Viridis at a share in [0, 1]. */
function heat(share) {
  const place = Math.min(Math.max(share, 0), 1) * (VIRIDIS.length - 1);
  const low = Math.min(Math.floor(place), VIRIDIS.length - 2);
  return [0, 1, 2].map((i) => VIRIDIS[low][i] + (place - low) * (VIRIDIS[low + 1][i] - VIRIDIS[low][i]));
}

/** Paint a map over the grey photo, cell by cell as the network has it, with a cross at the query. */
function paintHeat(canvas, values, grid, range, photo, query) {
  const [height, width] = grid;
  const cells = make('canvas', {width, height});
  const image = new ImageData(width, height);
  const span = range[1] - range[0] || 1;
  for (let i = 0; i < height * width; i++) {
    image.data.set([...heat((values[i] - range[0]) / span), 255], 4 * i);
  }
  cells.getContext('2d').putImageData(image, 0, 0);
  const context = canvas.getContext('2d');
  context.imageSmoothingEnabled = false;
  if (photo) {
    context.filter = 'grayscale(1)';
    context.drawImage(photo, 0, 0, canvas.width, canvas.height);
    context.filter = 'none';
    context.globalAlpha = 0.7;
  }
  context.drawImage(cells, 0, 0, canvas.width, canvas.height);
  context.globalAlpha = 1;
  if (query) cross(context, query[0] * canvas.width, query[1] * canvas.height);
}

function cross(context, x, y) {
  for (const [color, width] of [['#000', 5], ['#fff', 2]]) {
    context.strokeStyle = color;
    context.lineWidth = width;
    context.beginPath();
    context.moveTo(x - 10, y);
    context.lineTo(x + 10, y);
    context.moveTo(x, y - 10);
    context.lineTo(x, y + 10);
    context.stroke();
  }
}

/** A heat map with its caption. The photo comes from the masks panel, as soon as it is there. */
function heatMap(caption, values, grid, range, query) {
  const photo = window.errseg?.photo;
  const aspect = photo ? photo.naturalHeight / photo.naturalWidth : grid[0] / grid[1];
  const canvas = make('canvas', {
    width: 320, height: Math.round(320 * aspect), role: 'img', 'aria-label': caption,
  });
  paintHeat(canvas, values, grid, range, photo, query);
  return make('figure', {}, canvas, make('figcaption', {}, caption));
}

/** The one colour scale of a panel's maps, with what its ends mean: scaleBar([quantity, range, digits], ...). */
function scaleBar(...quantities) {
  const end = (word, place) => make('span', {}, make('b', {}, word),
    ...quantities.map(([name, range, digits]) => make('span', {}, `${name} ${range[place].toFixed(digits)}`)));
  return make('div', {class: 'errseg-scale'}, end('low', 0), make('i'), end('high', 1));
}

const percent = (share) => (share > 0 && share < 0.01 ? '<1 %' : `${Math.round(100 * share)} %`);
const css = (color) => `rgb(${color.join(',')})`;

function option(value, text, chosen) {
  return make('option', {value, selected: chosen}, text);
}

function labelled(text, control) {
  return make('label', {}, make('span', {}, text), control);
}

return {
  make, follow, keepFocus, showIf, whenThere, filePart, photoInBox, saysStop, tell, afterPaint, bytesOf, numbers,
  pixels, heat, cross, heatMap, scaleBar, percent, css, option, labelled,
};
})();
