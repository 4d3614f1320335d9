// The attention panel's sections below its maps: the same pixel in other classes, heads and layers,
// between classes (CFM), and with and without CRM. Each is {node, update(now)}; see `attention.js`
// for what they are given.

window.errsegSections = (() => {
const {make, numbers, showIf, percent, option, labelled} = window.errsegHelpers;
const maths = window.errsegAttention;
const {makeMap, makeBars, matrix} = window.errsegDrawing;
const MOST_BARS = 8;
const DIFFERENCE = 'without CRM, in times of with';

/** A part that is drawn only while it is open, which it stays over answers. */
function folded(name, title, choices, body, draw) {
  let last = null;
  body.hidden = !choices.open.has(name);
  const node = make('details', {
    class: 'errseg-more', open: choices.open.has(name),
    ontoggle: (event) => {
      choices.open[event.target.open ? 'add' : 'delete'](name);
      body.hidden = !event.target.open;
      if (last && event.target.open) draw(last);
    },
  }, make('summary', {}, title), body);
  return {
    node,
    update: (now) => {
      last = now;
      if (node.open) draw(now);
    },
  };
}

/** CRM on or off: SFM's maps of both, and what is between them. */
function comparison({data, names, choices, aspect, layers, look, inNumbers, changed}) {
  const state = make('span');
  const toggle = make('button', {
    type: 'button', role: 'switch', class: 'errseg-switch', disabled: Boolean(data.unavailable),
    'aria-label': 'CRM', onclick: () => { choices.crm = !choices.crm; changed(); },
  }, make('i', {'aria-hidden': 'true'}), state);
  if (data.unavailable) choices.crm = true;
  const rows = Array.from({length: Math.max(layers.spatial - 1, 0)}, (_, i) => ({
    layer: i + 1,
    maps: ['with CRM', 'without CRM', DIFFERENCE].map((of) => makeMap(`Layer ${i + 2}, ${of}`, aspect)),
  }));
  const both = make('div', {hidden: true}, ...rows.map(({maps}) =>
    make('div', {class: 'errseg-heats three'}, ...maps.map((map) => map.figure))));
  const share = make('p', {class: 'errseg-share'});
  const between = numbers(data.between).values;
  const node = make('div', {class: 'errseg-comparison'},
    make('h3', {}, 'With and without CRM (the paper’s Fig. 2)'),
    make('div', {class: 'errseg-controls'}, toggle,
      make('span', {class: 'errseg-reason'}, data.unavailable ?? 'The first layer sees no other class, so it is the same.')),
    both, make('h3', {}, 'Proposition 1'), share);

  function update(at) {
    toggle.setAttribute('aria-checked', String(choices.crm));
    state.textContent = choices.crm ? 'CRM on' : 'CRM off: all classes';
    share.textContent = proposition();
    both.hidden = choices.crm || !at.pack?.without;
    if (both.hidden) return;
    for (const {layer, maps} of rows) {
      const [on, off] = [true, false].map((crm) => look(at.pack, layer, at.cell, {crm}));
      if (!on || !off) continue;
      maps[0].paint(on.times, data.grids.key, choices.smooth);
      maps[0].say(inNumbers(on.row, at));
      maps[1].paint(off.times, data.grids.key, choices.smooth);
      maps[1].say(inNumbers(off.row, at));
      maps[2].paint(maths.ratio(off.row, on.row), data.grids.key, choices.smooth);
    }
  }

  /** Proposition 1 for the classes that the legend has. */
  function proposition() {
    if (!between.length) return 'This model has no CFM.';
    const areas = window.errseg?.masks?.areas ?? new Map();
    const found = [...data.kept.keys()].filter((place) => areas.has(data.kept[place]));
    if (!found.length) return 'No class has a pixel.';
    const {of, between: all} = window.errseg?.queries ?? {};
    const shareOf = (weights) => percent(maths.shareBetween(weights, names.length, found));
    return `Of the attention between classes (CFM), ${shareOf(between)} goes to the ${found.length} found, ` +
      `with CRM (P = ${names.length})` +
      (of !== data.of || !all ? '.' : `; ${shareOf(all.values)} without (P = T = ${data.names.length}).`);
  }
  return {node, update};
}

/** CFM's row of the shown class at the cross, as bars with names. */
function classBars({data, names, choices, layers, changed}) {
  const title = make('h3');
  const list = makeBars(Math.min(MOST_BARS, names.length), (name) => { choices.name = name; changed(); });
  const rest = make('p', {class: 'errseg-rest'});
  const layer = make('select', {onchange: ({target}) => { choices.layer = Number(target.value); changed(); }},
    ...Array.from({length: layers.classes}, (_, i) => option(String(i), String(i + 1), i === choices.layer)));
  const node = make('div', {class: 'errseg-cfm'}, title,
    make('div', {class: 'errseg-controls'}, labelled('Layer', layer)), list.node, rest);

  function update(at) {
    node.hidden = !at.pack?.classes;
    if (node.hidden) return;
    title.textContent = `Which classes ‘${at.name}’ is compared with here (CFM)`;
    const row = rowOfClasses(data, choices, at.pack, at.cell);
    const order = [...row.keys()].sort((a, b) => row[b] - row[a]);
    const first = order.slice(0, MOST_BARS);
    list.show(first.map((place) => ({name: names[place], share: row[place], chosen: place === at.place})));
    const others = order.slice(MOST_BARS);
    rest.textContent = others.length
      ? `${others.length} others: ${percent(others.reduce((sum, place) => sum + row[place], 0))}` : '';
  }
  return {node, update};
}

function rowOfClasses(data, choices, pack, cell) {
  const {query, classes} = data.grids;
  const sizes = {kept: data.kept.length, heads: data.heads, cells: classes[0] * classes[1]};
  const pooled = maths.pooledCell(cell, query, classes, data.reduction);
  return maths.classRow(pack.classes, sizes, choices.layer, choices.head, pooled);
}

/** A small map that is a button: a click shows it large. */
function tile(name, aspect, onclick) {
  const map = makeMap(name, aspect, true);
  const button = make('button', {type: 'button', class: 'errseg-tile', onclick}, map.figure);
  return {button, map};
}

/** All kept classes at the cross. */
function classTiles({data, names, choices, packs, aspect, layers, look, covered, want, changed}) {
  const tiles = names.map((name) => tile(name, aspect, () => { choices.name = name; changed(); }));
  const all = make('button', {type: 'button', class: 'errseg-kind', onclick: () => want(data.kept)});
  const body = make('div', {}, make('div', {class: 'errseg-tiles'}, ...tiles.map(({button}) => button)), all);
  return folded('classes', `All ${names.length} kept classes at this pixel`, choices, body, (at) => {
    const layer = Math.min(choices.layer, layers.spatial - 1);
    let absent = 0;
    tiles.forEach(({button, map}, place) => {
      const found = look(packs.get(data.kept[place]), layer, at.cell);
      button.classList.toggle('absent', !found);
      button.setAttribute('aria-pressed', String(place === at.place));
      if (!found) absent += 1;
      else {
        map.paint(found.times, data.grids.key, choices.smooth);
        map.say(percent(maths.shareOn(found.row, covered(place))));
      }
    });
    showIf(all, absent > 0, tiles[0].button);
    all.textContent = `Look for the other ${absent} too`;
  });
}

/** All heads and layers of the shown class at the cross. */
function headTiles({data, choices, aspect, layers, look, covered, changed}) {
  const tiles = Array.from({length: layers.spatial * data.heads}, (_, i) => {
    const [layer, head] = [Math.floor(i / data.heads), String(i % data.heads)];
    return {layer, head, ...tile(`Layer ${layer + 1}, head ${Number(head) + 1}`, aspect, () => {
      choices.head = choices.head === head ? 'mean' : head;
      changed();
    })};
  });
  const body = make('div', {class: 'errseg-tiles', style: `--columns:${data.heads}`}, ...tiles.map(({button}) => button));
  return folded('heads', 'All heads and layers of this class', choices, body, (at) => {
    for (const {layer, head, button, map} of tiles) {
      const found = look(at.pack, layer, at.cell, {head});
      button.classList.toggle('absent', !found);
      button.setAttribute('aria-pressed', String(choices.head === head));
      if (!found) continue;
      map.paint(found.times, data.grids.key, choices.smooth);
      map.say(percent(maths.shareOn(found.row, covered(at.place))));
    }
  });
}

/** CFM's whole matrix at the cross, with names. */
function classMatrix({data, names, choices, packs, want}) {
  const place = make('div', {class: 'errseg-matrix', tabindex: 0, role: 'group', 'aria-label': 'Matrix of class attention in percent'});
  const all = make('button', {type: 'button', class: 'errseg-kind', onclick: () => want(data.kept)});
  return folded('matrix', 'The whole matrix of classes at this pixel', choices, make('div', {}, place, all), (at) => {
    const absent = data.kept.filter((index) => !packs.get(index)?.classes).length;
    showIf(all, absent > 0, place);
    all.textContent = `Look for the other ${absent} classes too`;
    if (absent) return place.replaceChildren();
    const rows = data.kept.map((index) => [...rowOfClasses(data, choices, packs.get(index), at.cell)]);
    return place.replaceChildren(matrix(names, rows.flat()));
  });
}

/** The sections that this model has something for, in their order. */
function all(context) {
  const {spatial, classes} = context.layers;
  return [
    ...(spatial ? [classTiles(context), headTiles(context), comparison(context)] : []),
    ...(classes ? [classBars(context), classMatrix(context)] : []),
  ];
}

return {all};
})();
