// The attention panel: where a pixel looks, live under the cross, for any class, layer and head whose
// queries and keys are in the browser; those of other classes are asked for when they are chosen.

const {
  make, follow, keepFocus, showIf, afterPaint, numbers, heatMap, scaleBar, percent, option, labelled,
} = window.errsegHelpers;
const maths = window.errsegAttention;
const {makeMap, scaleOfTimes} = window.errsegDrawing;
const pointer = window.errsegPointer;
const sections = window.errsegSections;

// Kept over answers: the class's name (null: the one under the cross), what the sections show, and so on.
const choices = {
  name: null, layer: 0, head: 'mean', smooth: false, special: false, crm: true, open: new Set(),
};
const NO_SFM = 'This model has no SFM.';
const NOBODY = {point: () => {}, queries: () => {}, photo: () => {}, looking: () => {}};
let onNews = NOBODY;
document.addEventListener('errseg-point', () => onNews.point());
document.addEventListener('errseg-queries', () => onNews.queries());
document.addEventListener('errseg', () => onNews.photo());
document.addEventListener('errseg-looking', () => onNews.looking()); // the picture shows a map
let turns = 0;

function tellLook(look) {
  window.errseg = {...window.errseg, look};
  document.dispatchEvent(new CustomEvent('errseg-look'));
}

follow(element, async (data, root) => {
  const turn = ++turns;
  const winners = await maths.tiles(data.winners, 1);
  if (turn !== turns) return undefined; // a later answer was faster
  const names = data.kept.map((index) => data.names[index]);
  const {grids, layers} = data;
  if (!names.includes(choices.name)) choices.name = null;
  if (choices.layer >= layers.spatial && choices.layer >= layers.classes) choices.layer = 0;
  if (choices.head !== 'mean' && choices.head >= data.heads) choices.head = 'mean';
  const aspect = data.size[1] / data.size[0];
  const packs = new Map(); // what is unpacked of each class, by its index
  const unpacking = new Map(); // what was sent -> the promise of it unpacked

  // ---- Where the cross is, and which class is shown.
  const start = data.pixel.map((at, axis) => (at + 0.5) / data.size[axis]);
  const pixelOf = (point) => point.map((share, axis) => Math.floor(share * data.size[axis]));
  const held = window.errseg?.pinned && String(pixelOf(window.errseg.point)) === String(data.pixel);
  let told = held ? String(data.pixel) : null; // the pinned pixel that the server knows

  function now() {
    const point = window.errseg?.point ?? start;
    const best = winners[maths.cellAt(point, data.winners.grid, data.size)];
    const place = choices.name == null ? best : names.indexOf(choices.name);
    const index = data.kept[place];
    return {point, place, index, name: names[place], cell: maths.cellAt(point, grids.query, data.size), pack: packs.get(index)};
  }

  /** SFM's row of one class, as chosen: {row, times}, or null where it is not here. */
  function look(pack, layer, cell, {head = choices.head, crm = choices.crm} = {}) {
    const parts = crm || layer === 0 ? pack?.spatial : pack?.without;
    if (!parts || layer < parts.first) return null;
    const row = maths.spatialRow(parts, layer, head, cell);
    const times = choices.special ? maths.ratio(row, maths.averageRow(parts, layer, head)) : maths.timesAverage(row);
    return {row, times};
  }

  const covers = new Map(); // of the masks as they are, by a class's place
  let masks = null;
  function covered(place) {
    const seen = window.errseg.masks;
    if (seen !== masks) covers.clear();
    masks = seen;
    if (!seen) return new Float32Array(grids.key[0] * grids.key[1]); // told of a moment later
    if (!covers.has(place)) covers.set(place, maths.coverage(seen, data.kept[place], grids.key));
    return covers.get(place);
  }

  function inNumbers(row, {place, index, point}) {
    const own = covered(place);
    const area = masks?.areas.get(index) ?? 0;
    return `${percent(maths.shareOn(row, own))} on ${names[place]} (${percent(area)} of the photo), ` +
      `${percent(maths.shareFar(row, grids.key, point, data.size))} farther than a quarter of the photo`;
  }

  // ---- Queries and keys of further classes.
  const wanted = new Set(); // indices
  let underWay = false;
  const needs = (index) => !packs.get(index)?.spatial && !packs.get(index)?.classes;
  const needsWithout = (index) => !choices.crm && !data.unavailable && layers.spatial > 1 && !packs.get(index)?.without;

  function want(indices) {
    indices.filter((index) => needs(index) || needsWithout(index)).forEach((index) => wanted.add(index));
    ask();
  }

  function ask() {
    if (underWay || !wanted.size) return;
    underWay = true;
    root.querySelector('.errseg-live')?.setAttribute('aria-busy', 'true');
    trigger('want', {classes: [...wanted], without: !choices.crm});
  }

  async function unpack() {
    const sent = window.errseg?.queries;
    if (sent?.of !== data.of) return;
    await Promise.all([...sent.classes.values()].map(async (one) => {
      if (!unpacking.has(one)) unpacking.set(one, maths.unpackClass(one));
      const unpacked = await unpacking.get(one);
      if (packs.get(one.index) !== unpacked && sent.classes.get(one.index) === one) packs.set(one.index, unpacked);
    }));
    if (turn !== turns) return;
    underWay = false;
    root.querySelector('.errseg-live')?.removeAttribute('aria-busy');
    message.textContent = sent.message;
    message.hidden = !sent.message;
    if (sent.message) wanted.clear();
    for (const index of wanted) if (!needs(index) && !needsWithout(index)) wanted.delete(index);
    ask();
    update();
  }

  // ---- What stands in the panel.
  const message = make('p', {class: 'errseg-message', role: 'status', hidden: true});
  const missing = make('div', {class: 'errseg-missing', hidden: true});
  const maps = Array.from({length: layers.spatial}, (_, layer) => makeMap(`Layer ${layer + 1}`, aspect));
  const costs = make('div', {class: 'errseg-costs'});
  const scale = make('div');
  const context = {data, names, choices, packs, aspect, layers, look, covered, inNumbers, want, changed};
  const parts = sections.all(context);

  /** Draw the maps; return what the first one shows. */
  function drawMaps(at) {
    const looks = maps.map((map, layer) => look(at.pack, layer, at.cell));
    maps.forEach((map, layer) => {
      const found = looks[layer];
      map.figure.classList.toggle('absent', !found);
      if (!found) return map.say('');
      map.paint(found.times, grids.key, choices.smooth);
      return map.say(inNumbers(found.row, at), `Layer ${layer + 1}${choices.crm || layer === 0 ? '' : ', without CRM'}`);
    });
    return looks[0];
  }

  /** Tell the large picture of the first layer's map, or why there is none. */
  function tellPicture(found, at) {
    const absent = layers.spatial ? `Click to look for ‘${at.name}’ here.` : NO_SFM;
    const {smooth} = choices;
    const told = found ? {times: found.times, grid: grids.key, smooth, average, said: `Its attention: ${inNumbers(found.row, at)}`} : {said: absent};
    tellLook({photo: data.question?.photo, names: data.names, ...told});
  }

  let costOf = null;
  function drawCosts({place, name}) {
    const photo = window.errseg?.photo;
    if (costOf?.place === place && costOf.photo === photo) return;
    costOf = {place, photo};
    const own = costMaps.map((map) => {
      const cells = map.shape[1] * map.shape[2];
      return {grid: map.shape.slice(1), values: map.values.subarray(place * cells, (place + 1) * cells)};
    });
    const range = [Math.min(...own.flatMap((map) => [...map.values])), Math.max(...own.flatMap((map) => [...map.values]))];
    costs.replaceChildren(make('h3', {}, `Likeness to ‘${name}’`),
      make('div', {class: 'errseg-heats'}, ...own.map((map, i) =>
        heatMap(`cost map, ${[16, 32][i]} px`, map.values, map.grid, range))),
      scaleBar(['cosine', range, 2]));
  }
  const costMaps = data.costs.map(numbers);

  function drawMissing({index, name}) {
    const gone = needs(index) || needsWithout(index);
    showIf(missing, gone, select);
    if (!gone || missing.dataset.of === name + wanted.has(index)) return;
    missing.dataset.of = name + wanted.has(index);
    keepFocus(missing, () => missing.replaceChildren(wanted.has(index)
      ? make('span', {}, `‘${name}’ is on its way …`)
      : make('button', {type: 'button', class: 'errseg-kind', onclick: () => { want([index]); update(); }}, `Look for ‘${name}’ here`)));
  }

  let average = '';
  let due = false;
  function update() {
    if (due) return;
    due = true;
    requestAnimationFrame(() => {
      due = false;
      const at = now();
      average = choices.special ? 'as the average pixel' : 'average';
      scale.replaceChildren(scaleOfTimes(average));
      drawMissing(at);
      tellPicture(drawMaps(at), at);
      drawCosts(at);
      parts.forEach((part) => part.update(at));
      auto.textContent = `under the cross${choices.name == null ? `: ${at.name}` : ''}`;
      window.errseg.drawn = performance.now();
    });
  }

  /** Something was chosen: what it needs and is not here is asked for. */
  function changed() {
    const at = now();
    if (select.value !== (choices.name ?? '')) select.value = choices.name ?? '';
    head.value = String(choices.head);
    want([at.index]);
    update();
  }

  const set = (name, read) => (event) => { choices[name] = read(event.target); changed(); };
  const auto = option('', 'under the cross', choices.name == null);
  const select = make('select', {onchange: set('name', ({value}) => value || null)},
    auto, ...names.map((name) => option(name, name, name === choices.name)));
  const each = (length, chosen) => Array.from({length}, (_, i) => option(String(i), String(i + 1), String(chosen) === String(i)));
  const head = make('select', {onchange: set('head', ({value}) => value)},
    option('mean', 'mean', choices.head === 'mean'), ...each(data.heads, choices.head));
  const box = (name, text) => make('label', {class: 'errseg-choice'},
    make('input', {type: 'checkbox', checked: choices[name], onchange: set(name, ({checked}) => checked)}), text);
  root.replaceChildren(panel(
    make('p', {class: 'errseg-hint'}, 'Point at the photo or at a map: the cross follows. A click pins it, Escape lets go.'),
    make('div', {class: 'errseg-controls'},
      labelled('Class', select), labelled('Head', head),
      box('special', 'what is special here'), box('smooth', 'smooth')),
    message, missing,
    make('div', {class: 'errseg-live'},
      maps.length ? make('div', {class: 'errseg-heats errseg-maps'}, ...maps.map((map) => map.figure)) : make('p', {}, NO_SFM),
      scale),
    ...parts.map((part) => part.node), costs));

  onNews = {
    queries: unpack,
    photo: () => afterPaint(update), // the masks go first
    looking: () => want([...new Set(winners)].map((place) => data.kept[place])),
    point: () => {
      update();
      const {point, pinned} = window.errseg;
      const pixel = pinned ? String(pixelOf(point)) : null;
      if (!pinned || pixel === told) return;
      told = pixel;
      want([now().index]); // who clicks wants to see what is there
      trigger('select', {x: pixelOf(point)[0], y: pixelOf(point)[1]});
    },
  };
  if (!held) {
    pointer.unpin();
    pointer.pointAt(start);
  }
  parts.forEach((part) => part.update(now()));
  await unpack();
  update();
  return undefined;
}, () => {
  turns++; // what is being unpacked is no longer wanted
  onNews = NOBODY;
  tellLook(null);
});

function panel(...children) {
  return make('section', {class: 'errseg-panel'}, make('h2', {}, 'Where this pixel looks (SFM)'), ...children);
}
