// What the attention panel draws with: maps on one logarithmic scale, crosses that move without
// anything being drawn anew, rows of bars, the matrix. Nothing here knows what is chosen.

window.errsegDrawing = (() => {
const {make, heat, percent} = window.errsegHelpers;
const {MOST, onScale} = window.errsegAttention;
const {pointsOn, crossOver} = window.errsegPointer;
const SHADES = 256;
const VEIL = 0.72; // of a map's colours over the grey photo
const LARGE = 360, SMALL = 120; // pixels of a drawn map's longer side

const colors = Array.from({length: SHADES}, (_, shade) => heat(shade / (SHADES - 1)).map(Math.round));
const cells = make('canvas'); // a map as it is before it is stretched over the photo
const greys = new Map(); // the photo in grey, by the size of the canvas

/** The photo in grey at a size, drawn once. */
function greyPhoto(photo, width, height) {
  if (greys.photo !== photo) {
    greys.clear();
    greys.photo = photo;
  }
  const key = `${width}x${height}`;
  if (!greys.has(key)) {
    const canvas = make('canvas', {width, height});
    const context = canvas.getContext('2d');
    context.filter = 'grayscale(1)';
    context.drawImage(photo, 0, 0, width, height);
    greys.set(key, canvas);
  }
  return greys.get(key);
}

/** Paint a map's values over the photo in grey, cell by cell or smooth: `place` takes a value to the
 * colours' [0, 1]. */
function paintMap(canvas, values, [rows, columns], smooth, place = onScale) {
  if (cells.width !== columns || cells.height !== rows) Object.assign(cells, {width: columns, height: rows});
  const image = new ImageData(columns, rows);
  for (let i = 0; i < rows * columns; i++) {
    const color = colors[Math.round(place(values[i]) * (SHADES - 1))];
    image.data[4 * i] = color[0];
    image.data[4 * i + 1] = color[1];
    image.data[4 * i + 2] = color[2];
    image.data[4 * i + 3] = 255;
  }
  cells.getContext('2d').putImageData(image, 0, 0);
  const context = canvas.getContext('2d');
  const photo = window.errseg?.photo;
  context.globalAlpha = 1;
  if (photo) context.drawImage(greyPhoto(photo, canvas.width, canvas.height), 0, 0);
  context.globalAlpha = photo ? VEIL : 1;
  context.imageSmoothingEnabled = smooth;
  context.drawImage(cells, 0, 0, canvas.width, canvas.height);
  context.globalAlpha = 1;
}

/** A map that can be painted again and again: {figure, canvas, paint(times, grid, smooth), say(text)}.
 * A large one moves the cross; a small one stands in a button, whose name its caption is. */
function makeMap(title, aspect, small = false) {
  const longer = small ? SMALL : LARGE;
  const canvas = make('canvas', {
    width: Math.round(longer * Math.min(1, 1 / aspect)), height: Math.round(longer * Math.min(1, aspect)),
    'aria-label': title, 'aria-hidden': small ? 'true' : null, tabindex: small ? null : 0,
  });
  if (!small) pointsOn(canvas);
  const named = make('b', {}, title);
  const said = make('span', {class: 'errseg-said'});
  const [whole, upper, lower] = small ? ['span', 'span', 'span'] : ['figure', 'div', 'figcaption'];
  const figure = make(whole, {},
    make(upper, {class: 'errseg-map'}, canvas, crossOver()), make(lower, {class: 'caption'}, named, said));
  const paint = (values, grid, smooth, place) => paintMap(canvas, values, grid, smooth, place);

  function say(text, name = title) {
    said.textContent = text;
    named.textContent = name;
    canvas.setAttribute('aria-label', name);
  }

  return {figure, canvas, paint, say};
}

/** What the colours of all maps mean. */
function scaleOfTimes(average) {
  const word = (text, place) => make('span', {class: place}, text);
  return make('div', {class: 'errseg-times', role: 'img', 'aria-label':
    `Colours, dark to bright: ${MOST} times less than ${average}, ${average}, ${MOST} times more`},
  make('i'), make('div', {},
    word(`${MOST} × less`), word(average), word(`${MOST} × more`)));
}

/** A list of bars with names, longest first: {node, show([{name, share, chosen}])}. The rows stay the
 * same elements, so that whoever stands on one with the keyboard stays there. */
function makeBars(count, choose) {
  const rows = Array.from({length: count}, () => {
    const name = make('span', {class: 'name'});
    const bar = make('i', {'aria-hidden': 'true'});
    const share = make('span', {class: 'share'});
    const button = make('button', {type: 'button', onclick: () => choose(name.textContent)}, name, bar, share);
    return {name, bar, share, button, row: make('li', {}, button)};
  });
  const node = make('ol', {class: 'errseg-bars'}, ...rows.map(({row}) => row));

  function show(shown) {
    const most = Math.max(...shown.map(({share}) => share), 1e-9);
    rows.forEach(({name, bar, share, button, row}, i) => {
      row.hidden = i >= shown.length;
      if (row.hidden) return;
      name.textContent = shown[i].name;
      bar.style.setProperty('--share', (shown[i].share / most).toFixed(3));
      share.textContent = percent(shown[i].share);
      button.setAttribute('aria-pressed', String(shown[i].chosen));
    });
  }

  return {node, show};
}

/** The matrix of class attention with its names: each row attends to the columns, and sums to one. */
function matrix(names, weights) {
  const most = Math.max(...weights);
  const shade = (weight) => `rgb(${colors[Math.round((weight / most) * (SHADES - 1))].join(' ')})`;
  const ink = (weight) => (weight / most > 0.6 ? '#000' : '#fff');
  return make('table', {},
    make('thead', {}, make('tr', {}, make('td'), ...names.map((name) =>
      make('th', {scope: 'col'}, make('span', {}, name))))),
    make('tbody', {}, ...names.map((name, row) => make('tr', {}, make('th', {scope: 'row'}, name),
      ...names.map((other, column) => {
        const weight = weights[row * names.length + column];
        return make('td', {
          style: `background:${shade(weight)};color:${ink(weight)}`, title: `${name} → ${other}: ${percent(weight)}`,
        }, String(Math.round(100 * weight)));
      })))));
}

return {paintMap, makeMap, scaleOfTimes, makeBars, matrix};
})();
