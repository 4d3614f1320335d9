// The masks on the photo: overlay, read-out, legend and probability maps, drawn from what the server sent.

const {
  make, follow, keepFocus, whenThere, tell, scaleBar, percent, css, option, labelled,
} = window.errsegHelpers;
const {
  NO_CLASS, OPACITY, decodePhoto, decodeScores, labelsOfRuns, paintMasks, paintSpotlight, paintScores, cutOut, fileName,
} = window.errsegMasks;
const {pointsOn, crossOver, unpin} = window.errsegPointer;
const {paintMap, scaleOfTimes} = window.errsegDrawing;

let turns = 0;
let picture = null; // the last photo, decoded; it stays with other settings
let decoded = null; // what was made of the last answer, which stays with another threshold
const NOBODY = {point: () => {}, look: () => {}};
let onNews = NOBODY;
document.addEventListener('errseg-point', () => onNews.point());
document.addEventListener('errseg-look', () => onNews.look());
// What the picture shows, if not the probability of a class; no class has such a name.
const MASKS = ' masks';
const LOOK = ' look';
const VIEWS = [[MASKS, 'masks'], [LOOK, 'where it looks']];
const NOTHING = 'No word reaches the threshold at any pixel: lower it, or ask for other words.';
const LATER = 'Where it looks is on its way …';
const FRESH = {solo: null, spotlight: null, opened: null, shown: MASKS}; // by names of classes
const choices = {opacity: OPACITY, hidden: new Set(), ...FRESH}; // kept over answers to the same question
let question = null; // words and photo
const legendRoot = make('div', {class: 'errseg-root'});
whenThere('#errseg-legend', (place) => place.append(legendRoot));

follow(element, async (data, root) => {
  const turn = ++turns;
  if (picture?.source !== data.photo) picture = decodePhoto(data.photo);
  if (decoded?.of !== data.of) decoded = decodeScores(data);
  const [photo, image] = await picture.parts;
  if (turn !== turns) return; // a later answer was faster
  const {width, height} = photo;
  const labels = labelsOfRuns(data.labels);
  const {votes} = decoded;
  let mapPixels = null; // of all scores: the masks don't wait for them
  const places = new Map(data.maps.kept.map((index, place) => [index, place]));
  const asked = `${data.question?.photo} ${data.question?.words}`;
  if (asked !== question) {
    choices.hidden.clear();
    Object.assign(choices, FRESH);
  }
  question = asked;
  const present = new Set(data.legend.map(([index]) => data.names[index]));
  for (const one of ['solo', 'spotlight', 'opened']) {
    if (!present.has(choices[one])) choices[one] = null;
  }
  const canBeShown = [MASKS, LOOK, ...data.maps.kept.map((index) => data.names[index])];
  if (!canBeShown.includes(choices.shown)) choices.shown = MASKS;
  const hidden = (index) =>
    choices.solo != null ? data.names[index] !== choices.solo : choices.hidden.has(data.names[index]);

  const canvas = make('canvas', {
    width, height, tabindex: 0,
    'aria-label': 'The photo with the classes as colours. Arrow keys move the cross, Enter pins it.',
  });
  const plates = make('div', {class: 'errseg-plates', 'aria-hidden': 'true'});
  const readout = make('p', {class: 'errseg-readout'}, hint());
  const legend = make('ul', {class: 'errseg-legend', 'aria-label': 'Classes that were found'});
  const scale = make('div', {hidden: true}, scaleBar(['score', [0, 1], 1]));
  const said = make('p', {class: 'errseg-readout'});
  const times = make('div');
  const looks = make('div', {class: 'errseg-looks', hidden: true}, said, times);

  function hint() {
    return 'Point at the picture to read a pixel and see where it looks; a click pins the cross.';
  }

  decoded.maps.then((pixelsOfMaps) => {
    if (turn !== turns) return;
    mapPixels = pixelsOfMaps;
    if (![MASKS, LOOK].includes(choices.shown)) draw();
    if (read.at) read(...read.at);
  });

  /** The class's score at a pixel, bilinear between stride-4 cells as the network's labels are. */
  function score(index, x, y) {
    if (!places.has(index)) return 0;
    const [rows, columns] = data.maps.grid;
    const place = places.get(index);
    const left = (place % data.maps.columns) * columns;
    const top = Math.floor(place / data.maps.columns) * rows;
    const u = Math.min(Math.max(((x + 0.5) / width) * columns - 0.5, 0), columns - 1);
    const v = Math.min(Math.max(((y + 0.5) / height) * rows - 0.5, 0), rows - 1);
    const [u0, v0] = [Math.floor(u), Math.floor(v)];
    const [u1, v1] = [Math.min(u0 + 1, columns - 1), Math.min(v0 + 1, rows - 1)];
    const at = (column, row) => mapPixels.data[4 * ((top + row) * mapPixels.width + left + column)];
    const upper = at(u0, v0) * (1 - (u - u0)) + at(u1, v0) * (u - u0);
    const lower = at(u0, v1) * (1 - (u - u0)) + at(u1, v1) * (u - u0);
    return (upper * (1 - (v - v0)) + lower * (v - v0)) / 255;
  }

  function votesAt(x, y) {
    const [ranks, rows, columns] = votes.shape;
    const cell = Math.floor((y * rows) / height) * columns + Math.floor((x * columns) / width);
    return Array.from({length: ranks}, (_, rank) => votes.values[rank * rows * columns + cell]);
  }

  function read(x, y) {
    read.at = [x, y];
    const index = labels[y * width + x];
    const found = index === NO_CLASS
      ? make('b', {}, 'none of these')
      : make('span', {}, swatch(index), make('b', {}, data.names[index]),
        mapPixels && ` ${score(index, x, y).toFixed(2)}`);
    const ranked = votesAt(x, y).map((vote) => data.names[vote]).join(', ');
    readout.replaceChildren(found, make('span', {}, ` · votes: ${ranked}`));
  }

  function swatch(index) {
    const color = data.colors[index];
    return make('i', {class: 'errseg-swatch', style: `background:${css(color)}`, 'aria-hidden': 'true'});
  }

  const isHidden = (label) => (label === NO_CLASS ? choices.solo != null : hidden(label));

  /** Show where the pixel under the cross looks, as the attention panel tells it. */
  function drawLook() {
    const told = window.errseg?.look;
    const ofThis = told?.photo === data.question?.photo && String(told?.names) === String(data.names);
    const own = ofThis ? told : null; // another is of a question before
    if (own?.times) paintMap(canvas, own.times, own.grid, own.smooth);
    else canvas.getContext('2d').putImageData(photo, 0, 0);
    times.replaceChildren(...(own?.times ? [scaleOfTimes(own.average)] : []));
    const refusal = document.querySelector('#errseg-attention-message')?.textContent.trim();
    said.textContent = own?.said ?? (refusal || LATER);
  }

  function draw() {
    shown.value = choices.shown;
    opacity.disabled = choices.shown !== MASKS;
    looks.hidden = choices.shown !== LOOK;
    scale.hidden = [MASKS, LOOK].includes(choices.shown);
    plates.hidden = choices.shown !== MASKS;
    if (choices.shown === LOOK) return drawLook();
    const image = new ImageData(width, height);
    if (choices.shown !== MASKS && !mapPixels) {
      image.data.set(photo.data); // they are on their way
    } else if (choices.shown !== MASKS) {
      const index = data.names.indexOf(choices.shown);
      paintScores(image, photo, (x, y) => score(index, x, y));
    } else if (choices.spotlight != null) {
      paintSpotlight(image, photo, labels, data.names.indexOf(choices.spotlight));
    } else {
      const isShown = (label) => !isHidden(label);
      paintMasks(image, photo, labels, {colors: data.colors, isShown, opacity: choices.opacity});
    }
    canvas.getContext('2d').putImageData(image, 0, 0);
    const shownPlates = data.plates.filter(([index]) =>
      (choices.spotlight == null ? !hidden(index) : data.names[index] === choices.spotlight));
    return plates.replaceChildren(...shownPlates.map(plate));
  }

  /** A name on its segment; near the picture's rim it moves inwards. */
  function plate([index, x, y]) {
    const inwards = (share, rim) =>
      Math.min(share / rim, 1) / 2 + Math.max((share - 1 + rim) / rim, 0) / 2;
    return make('span', {
      style: `left:${100 * x}%;top:${100 * y}%;` +
        `transform:translate(${-100 * inwards(x, 0.15)}%,${-100 * inwards(y, 0.05)}%);` +
        `background:${css(data.colors[index])};` +
        `color:${css(data.inks[index])};border-color:${css(data.inks[index])}`,
    }, data.names[index]);
  }

  /** A frame around what was looked at closer: its left, top, right and bottom as shares. */
  function frame(part) {
    if (!part) return null;
    const [left, top, right, bottom] = part.map((share) => 100 * share);
    return make('i', {
      class: 'errseg-closer-frame', 'aria-hidden': 'true',
      style: `left:${left}%;top:${top}%;width:${right - left}%;height:${bottom - top}%`,
    });
  }

  /** Change what is shown, and draw it. */
  function choose(change) {
    Object.assign(choices, change);
    drawLegend();
    draw();
  }

  const toggled = (choice, name) => () => choose({
    solo: null, spotlight: null, shown: MASKS, [choice]: choices[choice] === name ? null : name,
  });

  function hideOrShow(name) {
    if (choices.solo != null || choices.spotlight != null) choose({solo: null, spotlight: null});
    else {
      if (!choices.hidden.delete(name)) choices.hidden.add(name);
      choose({});
    }
  }

  function save(index) {
    cutOut(photo, labels, index).toBlob((blob) => {
      const address = URL.createObjectURL(blob);
      make('a', {href: address, download: fileName(index, data.names[index])}).click();
      setTimeout(() => URL.revokeObjectURL(address), 60000);
    });
  }

  function legendRow([index, area, mean]) {
    const name = data.names[index];
    const opened = choices.opened === name;
    const button = (text, control, attributes) => make('button', {
      type: 'button', 'data-control': `${control} ${name}`, ...attributes,
    }, text);
    const off = hidden(index) || (choices.spotlight != null && choices.spotlight !== name);
    return make('li', {class: off ? 'off' : ''},
      button(swatch(index), 'open', {
        class: 'open', 'aria-expanded': String(opened), 'aria-label': `More for ${name}`,
        title: 'Spotlight, cut-out', onclick: () => choose({opened: opened ? null : name}),
      }),
      make('button', {
        type: 'button', class: 'toggle', 'data-control': `toggle ${name}`, 'aria-pressed': String(!off),
        title: `${off ? 'Show' : 'Hide'} this class: ${percent(area)} of the photo, mean score ${mean.toFixed(2)}`,
        onclick: () => hideOrShow(name),
      }, make('span', {class: 'name'}, name),
      make('span', {}, percent(area)), make('span', {}, mean.toFixed(2))),
      button('only', 'solo', {
        class: 'solo', 'aria-pressed': String(choices.solo === name), 'aria-label': `Only ${name}`,
        title: 'Show this class alone', onclick: toggled('solo', name),
      }),
      opened ? make('div', {class: 'actions'},
        button('Spotlight', 'spotlight', {
          'aria-pressed': String(choices.spotlight === name), title: 'The rest in grey',
          onclick: toggled('spotlight', name),
        }),
        button('Save cut-out', 'save', {
          title: 'A transparent PNG of this class', onclick: () => save(index),
        })) : null);
  }

  function noneRow() {
    return make('li', {class: 'none'},
      make('i', {class: 'errseg-swatch none', 'aria-hidden': 'true'}),
      make('div', {class: 'toggle'}, make('span', {class: 'name'}, 'none of these'),
        make('span', {}, percent(data.none)), make('span')),
      data.legend.length ? null : make('p', {class: 'errseg-hint'}, NOTHING));
  }

  function drawLegend() {
    keepFocus(legend, () => legend.replaceChildren(...data.legend.map(legendRow),
      ...(data.none ? [noneRow()] : [])));
    legend.classList.toggle('empty', !data.legend.length);
  }

  // A file has no server to ask.
  const closer = window.errsegCloser?.(data.closer, (at) => trigger('closer', {at}));

  // Pointer, finger and keys move the page's one cross; the read-out follows it from everywhere.
  pointsOn(canvas);
  onNews = {
    point: () => {
      const {point} = window.errseg;
      read(Math.floor(point[0] * width), Math.floor(point[1] * height));
    },
    look: () => { if (choices.shown === LOOK) drawLook(); },
  };

  const opacity = make('input', {
    type: 'range', min: 0, max: 1, step: 0.05, value: choices.opacity,
    oninput: (event) => { choices.opacity = Number(event.target.value); draw(); },
  });
  const show = ({target}) => {
    choices.shown = target.value;
    draw();
    if (target.value === LOOK) document.dispatchEvent(new CustomEvent('errseg-looking'));
  };
  const shown = make('select', {onchange: show},
    ...VIEWS.map(([view, title]) => option(view, title, choices.shown === view)),
    make('optgroup', {label: 'probability of'}, ...data.maps.kept.map((index) =>
      option(data.names[index], data.names[index], choices.shown === data.names[index]))));

  drawLegend();
  draw();
  root.replaceChildren(make('section', {class: 'errseg-picture'},
    make('h2', {class: 'errseg-unseen'}, 'Masks'),
    make('div', {class: 'errseg-canvas errseg-fitted', style: `--aspect:${width / height}`},
      canvas, plates, frame(data.closer), crossOver()),
    make('div', {class: 'errseg-below'}, readout, closer, scale,
      make('div', {class: 'errseg-controls'}, labelled('Show', shown), labelled('Opacity', opacity)), looks)));
  keepFocus(legendRoot, () => legendRoot.replaceChildren(legend));

  const before = window.errseg?.photo;
  if (before && before.src !== image.src) unpin(); // it was pinned on another photo
  const areas = new Map(data.legend);
  tell({photo: image, question: data.question, masks: {labels, width, height, areas}});
}, () => {
  turns++; // what is being drawn is no longer wanted
  onNews = NOBODY;
  legendRoot.replaceChildren();
}, () => trigger('whole', {}));
