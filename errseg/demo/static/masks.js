// The masks on the photo: overlay, read-out, legend and probability maps, drawn from what the server sent.

const {make, follow, keepFocus, whenThere, tell, numbers, pixels, heat, cross, percent, css, option, labelled} = window.errsegHelpers;

const NO_CLASS = 65535;
let turns = 0;
let onNews = () => {};
document.addEventListener('errseg', () => onNews());
const choices = {opacity: 0.55, hidden: new Set(), solo: null, shown: 'masks'}; // kept over answers
const legendRoot = make('div', {class: 'errseg-root'});
whenThere('#errseg-legend', (place) => place.append(legendRoot));

follow(element, async (data, root) => {
  const turn = ++turns;
  const [photo, labelPixels, mapPixels] = await Promise.all(
    [data.photo, data.labels, data.maps.picture].map(pixels));
  if (turn !== turns) return; // a later answer was faster
  const {width, height} = photo;
  const labels = new Uint16Array(width * height);
  for (let i = 0; i < labels.length; i++) {
    labels[i] = labelPixels.data[4 * i] + 256 * labelPixels.data[4 * i + 1];
  }
  const votes = numbers(data.ranking);
  const places = new Map(data.maps.kept.map((index, place) => [index, place]));
  const hidden = (index) =>
    choices.solo != null ? data.names[index] !== choices.solo : choices.hidden.has(data.names[index]);
  if (choices.solo != null && !data.legend.some(([index]) => data.names[index] === choices.solo)) {
    choices.solo = null;
  }
  if (!data.maps.kept.some((index) => data.names[index] === choices.shown)) choices.shown = 'masks';

  const canvas = make('canvas', {
    width, height, tabindex: 0, role: 'img',
    'aria-label': 'The photo with the classes as colours. Arrow keys read a pixel, Enter sets the query.',
  });
  const plates = make('div', {class: 'errseg-plates', 'aria-hidden': 'true'});
  const readout = make('p', {class: 'errseg-readout', 'aria-live': 'polite'}, hint());
  const legend = make('ul', {class: 'errseg-legend'});
  let cursor = null; // column, row in the shown picture

  function hint() {
    return 'Point at the picture to read a pixel; click to see what it attends to.';
  }

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
    const index = labels[y * width + x];
    const found = index === NO_CLASS
      ? make('b', {}, 'none of these')
      : make('span', {}, swatch(index), make('b', {}, data.names[index]), ` ${score(index, x, y).toFixed(2)}`);
    const ranked = votesAt(x, y).map((vote) => data.names[vote]).join(', ');
    readout.replaceChildren(found, make('span', {}, ` · votes: ${ranked}`));
  }

  function swatch(index) {
    const color = data.colors[index];
    return make('i', {class: 'errseg-swatch', style: `background:${css(color)}`, 'aria-hidden': 'true'});
  }

  function draw() {
    const image = new ImageData(width, height);
    if (choices.shown === 'masks') drawMasks(image);
    else drawScores(image, data.names.indexOf(choices.shown));
    const context = canvas.getContext('2d');
    context.putImageData(image, 0, 0);
    if (cursor) cross(context, ...cursor);
    plates.hidden = choices.shown !== 'masks';
    plates.replaceChildren(...data.plates.filter(([index]) => !hidden(index)).map(([index, x, y]) =>
      make('span', {
        style: `left:${100 * x}%;top:${100 * y}%;background:${css(data.colors[index])};` +
          `color:${css(data.inks[index])};border-color:${css(data.inks[index])}`,
      }, data.names[index])));
  }

  /** The same blend as `errseg.pictures.overlay`: colours, greyer photo below, light lines. */
  function drawMasks(image) {
    const opacity = choices.opacity;
    const greyShare = opacity * (1 - opacity);
    const covered = new Map(data.legend.map(([index]) => [index, !hidden(index)]));
    const noneShown = choices.solo == null;
    for (let i = 0; i < labels.length; i++) {
      const p = 4 * i;
      const [r, g, b] = [photo.data[p], photo.data[p + 1], photo.data[p + 2]];
      const grey = 0.299 * r + 0.587 * g + 0.114 * b;
      const label = labels[i];
      let out = [r, g, b];
      if (label === NO_CLASS) {
        if (noneShown) {
          const tone = (20 + 0.55 * grey) * opacity + grey * greyShare;
          out = out.map((value) => value * (1 - opacity - greyShare) + tone);
        }
      } else if (covered.get(label)) {
        const tint = data.colors[label];
        out = out.map((value, c) =>
          value * (1 - opacity - greyShare) + tint[c] * opacity + grey * greyShare);
      }
      const right = (i + 1) % width && labels[i + 1];
      const below = i + width < labels.length ? labels[i + width] : label;
      const edge = ((i + 1) % width && right !== label) || below !== label;
      image.data[p] = edge ? 255 : out[0];
      image.data[p + 1] = edge ? 255 : out[1];
      image.data[p + 2] = edge ? 255 : out[2];
      image.data[p + 3] = 255;
    }
  }

  /** One class's score at every pixel, from 0 to 1, over the grey photo. */
  function drawScores(image, index) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const p = 4 * (y * width + x);
        const grey = 0.299 * photo.data[p] + 0.587 * photo.data[p + 1] + 0.114 * photo.data[p + 2];
        const color = heat(score(index, x, y));
        for (let c = 0; c < 3; c++) image.data[p + c] = 0.3 * grey + 0.7 * color[c];
        image.data[p + 3] = 255;
      }
    }
  }

  function drawLegend() {
    legend.replaceChildren(...data.legend.map(([index, area, mean]) => {
      const name = data.names[index];
      return make('li', {class: hidden(index) ? 'off' : ''},
        make('button', {
          type: 'button', class: 'toggle', 'aria-pressed': String(!hidden(index)),
          title: hidden(index) ? 'Show this class' : 'Hide this class',
          onclick: () => {
            if (choices.solo != null) choices.solo = null;
            else if (!choices.hidden.delete(name)) choices.hidden.add(name);
            drawLegend();
            draw();
          },
        }, swatch(index), make('span', {class: 'name'}, name),
        make('span', {}, percent(area)), make('span', {}, mean.toFixed(2))),
        make('button', {
          type: 'button', class: 'solo', 'aria-pressed': String(choices.solo === name),
          title: 'Show this class alone', 'aria-label': `Show ${name} alone`,
          onclick: () => {
            choices.solo = choices.solo === name ? null : name;
            drawLegend();
            draw();
          },
        }, 'only'));
    }), ...(data.none ? [make('li', {class: 'none'}, make('div', {class: 'toggle'},
      make('i', {class: 'errseg-swatch none', 'aria-hidden': 'true'}),
      make('span', {class: 'name'}, 'none of these'), make('span', {}, percent(data.none)),
      make('span')))] : []));
  }

  function place(event) {
    const box = canvas.getBoundingClientRect();
    return [
      Math.min(Math.max(Math.floor(((event.clientX - box.left) / box.width) * width), 0), width - 1),
      Math.min(Math.max(Math.floor(((event.clientY - box.top) / box.height) * height), 0), height - 1),
    ];
  }

  function query(x, y) {
    trigger('select', {
      x: Math.floor(((x + 0.5) / width) * data.size[0]),
      y: Math.floor(((y + 0.5) / height) * data.size[1]),
    });
  }

  canvas.addEventListener('pointermove', (event) => read(...place(event)));
  canvas.addEventListener('pointerleave', () => cursor ? read(...cursor) : readout.replaceChildren(hint()));
  canvas.addEventListener('click', (event) => {
    cursor = place(event);
    read(...cursor);
    draw();
    query(...cursor);
  });
  canvas.addEventListener('keydown', (event) => {
    const step = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]}[event.key];
    if (!step && event.key !== 'Enter') return;
    event.preventDefault();
    cursor ??= [width >> 1, height >> 1];
    if (step) {
      const stride = Math.max(1, Math.round(width / 48));
      cursor = [
        Math.min(Math.max(cursor[0] + stride * step[0], 0), width - 1),
        Math.min(Math.max(cursor[1] + stride * step[1], 0), height - 1),
      ];
    } else query(...cursor);
    read(...cursor);
    draw();
  });

  onNews = () => {
    const told = window.errseg.query; // x, y as shares of the photo
    if (!told) return;
    cursor = [Math.min(Math.floor(told[0] * width), width - 1), Math.min(Math.floor(told[1] * height), height - 1)];
    draw();
  };

  const opacity = make('input', {
    type: 'range', min: 0, max: 1, step: 0.05, value: choices.opacity,
    oninput: (event) => { choices.opacity = Number(event.target.value); draw(); },
  });
  const shown = make('select', {onchange: (event) => { choices.shown = event.target.value; draw(); }},
    option('masks', 'masks', choices.shown === 'masks'),
    make('optgroup', {label: 'probability of'}, ...data.maps.kept.map((index) =>
      option(data.names[index], data.names[index], choices.shown === data.names[index]))));

  drawLegend();
  draw();
  root.replaceChildren(make('section', {class: 'errseg-picture'},
    make('h2', {class: 'errseg-unseen'}, 'Masks'),
    make('div', {class: 'errseg-canvas errseg-fitted', style: `--aspect:${width / height}`}, canvas, plates),
    make('div', {class: 'errseg-below'}, readout,
      make('div', {class: 'errseg-controls'}, labelled('Show', shown), labelled('Opacity', opacity)))));
  keepFocus(legendRoot, () => legendRoot.replaceChildren(legend));

  const image = new Image();
  image.src = data.photo;
  await image.decode();
  const before = window.errseg?.photo;
  const other = before && before.src !== image.src; // its query belongs to another photo
  const news = {photo: image, question: data.question};
  tell(other ? {...news, query: null} : news);
});
