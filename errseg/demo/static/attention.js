// The attention panel: SFM's maps beside the class's cost maps, CFM's matrix, Proposition 1.

const {make, follow, tell, numbers, heatMap, scaleBar, percent, css, option, labelled, heat} = window.errsegHelpers;

const choices = {name: null, layer: -1, head: 'mean', without: false, more: false}; // kept over answers

let onNews = () => {};
document.addEventListener('errseg', () => onNews());

follow(element, (data, root) => {
  const spatial = numbers(data.spatial);
  const classes = numbers(data.classes);
  const costs = data.costs.map(numbers);
  const without = data.without && numbers(data.without.spatial);
  const sizes = spatial.shape.length === 5 ? spatial.shape : null; // layers, P, heads, h, w
  const layers = sizes ? sizes[0] : classes.shape[0];
  const heads = sizes ? sizes[2] : classes.shape[1];
  const names = data.kept.map((index) => data.names[index]);
  const query = [(data.pixel[0] + 0.5) / data.size[0], (data.pixel[1] + 0.5) / data.size[1]];
  const best = names[data.kept.indexOf(data.best)] ?? names[0];
  if (!names.includes(choices.name)) choices.name = null;
  choices.without = data.without != null;
  if (choices.layer >= layers) choices.layer = -1;
  if (choices.head >= heads) choices.head = 'mean';
  const maps = make('div', {class: 'errseg-maps'});
  const matrix = make('div', {class: 'errseg-matrix'});

  const layer = () => (choices.layer < 0 ? layers - 1 : choices.layer);
  const chosen = () => Math.max(names.indexOf(choices.name ?? best), 0);

  /** The chosen head, or the mean over heads, of `packed` (layers, n, heads, ...rest) at one place;
   * for CFM (layers, heads, P, P) there is no n. */
  function ofHead(packed, start, count, rest) {
    const out = new Float32Array(rest);
    const used = choices.head === 'mean' ? [...Array(count).keys()] : [Number(choices.head)];
    for (const head of used) {
      for (let i = 0; i < rest; i++) out[i] += packed.values[start + head * rest + i] / used.length;
    }
    return out;
  }

  function attentionMap(packed) {
    const [, count, , rows, columns] = packed.shape;
    const start = (layer() * count + chosen()) * heads * rows * columns;
    return ofHead(packed, start, heads, rows * columns);
  }

  function drawMaps() {
    const figures = [];
    const scales = [];
    if (sizes) {
      const grid = sizes.slice(3);
      const own = attentionMap(spatial);
      const other = without && attentionMap(without);
      const range = [0, Math.max(...own, ...(other ?? []))];
      figures.push(make('div', {class: 'errseg-heats'},
        heatMap(other ? 'SFM, with CRM' : 'SFM attention', own, grid, range, query),
        other && heatMap('SFM, without CRM', other, grid, range, query)));
      scales.push(['attention', range, 3]);
    }
    const range = [Math.min(...costs.map(least)), Math.max(...costs.map(most))];
    scales.push(['cosine', range, 2]);
    figures.push(make('div', {class: 'errseg-heats'}, ...costs.map((map, place) =>
      heatMap(`cost, stride ${[16, 32][place]}`, ofClass(map), map.shape.slice(1), range, query))),
    scaleBar(...scales));
    maps.replaceChildren(...figures);
  }

  const ofClass = (map) => {
    const cells = map.shape[1] * map.shape[2];
    return map.values.subarray(chosen() * cells, (chosen() + 1) * cells);
  };
  const least = (map) => Math.min(...ofClass(map));
  const most = (map) => Math.max(...ofClass(map));

  /** Rows attend to columns; every row sums to one. */
  function drawMatrix() {
    if (classes.shape.length !== 4) return;
    const count = names.length;
    const weights = ofHead(classes, layer() * heads * count * count, heads, count * count);
    const top = Math.max(...weights);
    const cell = Math.max(4, Math.min(20, Math.floor(300 / count)));
    const canvas = make('canvas', {
      width: cell * count, height: cell * count, role: 'img', 'aria-label': `CFM's matrix of ${count} classes`,
    });
    const context = canvas.getContext('2d');
    weights.forEach((weight, i) => {
      context.fillStyle = css(heat(weight / top).map(Math.round));
      context.fillRect((i % count) * cell, Math.floor(i / count) * cell, cell, cell);
    });
    context.strokeStyle = '#fff';
    context.lineWidth = 2;
    context.strokeRect(0, chosen() * cell, cell * count, cell);
    const row = chosen();
    const order = [...names.keys()].sort((a, b) => weights[row * count + b] - weights[row * count + a]);
    const reads = make('p', {class: 'errseg-readout', 'aria-live': 'polite'},
      `${names[row]} attends most to ` +
      order.slice(0, 3).map((k) => `${names[k]} ${percent(weights[row * count + k])}`).join(', '));
    canvas.addEventListener('pointermove', (event) => {
      const box = canvas.getBoundingClientRect();
      const [r, c] = [(event.clientY - box.top) / box.height, (event.clientX - box.left) / box.width]
        .map((share) => Math.min(Math.max(Math.floor(share * count), 0), count - 1));
      reads.textContent = `${names[r]} → ${names[c]}: ${weights[r * count + c].toFixed(3)}`;
    });
    matrix.replaceChildren(make('h3', {}, 'CFM: class to class at this pixel'), canvas, reads,
      scaleBar(['attention', [0, top], 2]));
  }

  function redraw() {
    drawMaps();
    drawMatrix();
  }

  const pick = (change) => (event) => { change(event.target.value); redraw(); };
  const [x, y] = [0, 1].map((axis) => make('input', {
    type: 'number', min: 0, max: data.size[axis] - 1, value: data.pixel[axis],
    'aria-label': `Query ${'xy'[axis]}`, onchange: ask,
  }));
  const pass = make('input', {
    type: 'checkbox', checked: without != null,
    onchange: (event) => { choices.without = event.target.checked; ask(); },
  });
  function ask() {
    trigger('select', {x: Number(x.value), y: Number(y.value), without: choices.without});
  }

  const share = data.share == null ? 'no class wins a pixel'
    : `${percent(data.share)} with CRM (P = ${data.kept.length})` +
      (data.without ? `, ${percent(data.without.share)} without (P = T = ${data.names.length})` : '');
  redraw();
  root.replaceChildren(make('section', {class: 'errseg-panel'},
    make('h2', {}, 'Attention'),
    make('div', {class: 'errseg-controls'},
      make('span', {class: 'errseg-query'}, 'Query', x, y),
      labelled('Class', make('select', {onchange: pick((value) => { choices.name = value; })},
        ...names.map((name) => option(name, name, name === (choices.name ?? best))))),
      labelled('Layer', make('select', {onchange: pick((value) => { choices.layer = Number(value); })},
        ...[...Array(layers).keys()].map((i) => option(i, String(i + 1), i === layer())))),
      labelled('Head', make('select', {onchange: pick((value) => { choices.head = value; })},
        option('mean', 'mean', choices.head === 'mean'),
        ...[...Array(heads).keys()].map((i) => option(i, String(i + 1), choices.head === String(i)))))),
    maps,
    make('details', {class: 'errseg-more', open: choices.more, ontoggle: (event) => { choices.more = event.target.open; }},
      make('summary', {}, 'Between classes, with and without CRM'),
      matrix,
      make('h3', {}, 'Proposition 1'),
      make('p', {class: 'errseg-share'}, `Class attention on the ${data.present.length} classes found: ${share}.`),
      make('label', {class: 'errseg-check'}, pass, 'also without CRM (all classes; slower)'))));
  let photo = window.errseg?.photo;
  onNews = () => {
    if (window.errseg.photo === photo) return;
    photo = window.errseg.photo;
    drawMaps();
  };
  tell({query});
});
