// A sweep as an animation: a slider moves the line down CRM's list, and the masks with it.

const {make, follow, pixels, percent, css} = window.errsegHelpers;
const {NO_CLASS, labelsOf, masked} = window.errsegMasks;
const {placeOn, clamped} = window.errsegPointer;

const PAUSE = 900; // milliseconds that a value is shown while it plays
const ROW = 24; // pixels of a row of CRM's list, as sweep.css has it

let turns = 0;
let playing = null; // what moves on by itself, over answers

function stop() {
  clearInterval(playing);
  playing = null;
}

follow(element, async (data, root) => {
  const turn = ++turns;
  stop();
  const [photo, ...read] = await Promise.all([data.photo, ...data.steps.map((step) => step.labels)].map(pixels));
  if (turn !== turns) return; // a later sweep was faster
  const {width, height} = photo;
  const labels = read.map(labelsOf);
  const last = data.steps.length - 1;
  let place = 0;

  const named = (step) => `${data.knob} = ${step.value}`;
  const calm = () => matchMedia('(prefers-reduced-motion: reduce)').matches;

  // ---- The masks.
  const canvas = make('canvas', {width, height, role: 'img'});
  const readout = make('p', {class: 'errseg-readout'});
  const drawn = []; // the pictures, each made once

  function said(step) {
    const own = data.steps[step];
    const since = step === 0 ? '' : ` · ${(100 * own.changed).toFixed(1)} % of the pixels changed since ${named(data.steps[step - 1])}`;
    const seen = Object.keys(own.areas).length;
    return `${named(own)}${since} · ${seen} ${seen === 1 ? 'class' : 'classes'} seen`;
  }

  canvas.addEventListener('pointermove', (event) => {
    const [x, y] = placeOn(event, canvas).map(clamped);
    const label = labels[place][Math.floor(y * height) * width + Math.floor(x * width)];
    readout.textContent = `${said(place)} · here: ${label === NO_CLASS ? 'none of these' : data.names[label]}`;
  });
  canvas.addEventListener('pointerleave', () => { readout.textContent = said(place); });

  // ---- CRM's list, in which the line moves.
  const list = make('ol', {class: 'errseg-sweep-list'});
  const line = make('div', {class: 'errseg-sweep-line', 'aria-hidden': 'true'}, make('span'));
  const scroll = make('div', {class: 'errseg-sweep-scroll', role: 'region', tabindex: 0, 'aria-label': 'Classes by CRM score'},
    list, line);

  function drawList() {
    const step = data.steps[place];
    const rows = data.lists[data.lists.length > 1 ? place : 0];
    const bar = (score) => Math.log1p(score) / Math.log1p(Math.max(...rows.map((row) => row[1]), 1e-9));
    list.replaceChildren(...rows.map(([index, score], rank) => make('li', {
      class: `${rank < step.kept ? 'kept' : 'dropped'}${rank === step.kept ? ' first' : ''}`,
    },
      make('i', {class: 'errseg-swatch', 'aria-hidden': 'true',
        style: index in step.areas ? `background:${css(data.colors[index])}` : 'visibility:hidden'}),
      make('span', {class: 'name'}, data.names[index]),
      make('span', {class: 'track', 'aria-hidden': 'true'}, make('span', {style: `width:${100 * bar(score)}%`})),
      make('span', {class: 'area'}, index in step.areas ? percent(step.areas[index]) : ''))));
    const beyond = data.classes - rows.length;
    if (beyond > 0) list.append(make('li', {class: 'more'}, `and ${beyond.toLocaleString('en')} more, dropped`));
    const all = step.kept >= data.classes;
    line.style.top = `${step.kept * ROW}px`; // the first dropped row leaves it room
    line.firstChild.textContent = all ? `all ${data.classes} kept` : `P = ${step.kept}: dropped from here on`;
    const middle = step.kept * ROW - scroll.clientHeight / 2;
    scroll.scrollTo({top: Math.max(0, middle), behavior: calm() ? 'auto' : 'smooth'});
  }

  // ---- The slider, its steps as small pictures, and what plays it.
  const slider = make('input', {
    type: 'range', min: 0, max: last, step: 1, value: 0, 'aria-label': `${data.knob} of the sweep`,
    oninput: (event) => { halt(); show(Number(event.target.value)); },
  });
  const play = make('button', {type: 'button', class: 'errseg-kind', disabled: last === 0, onclick: () => {
    if (playing) return halt();
    if (place === last) show(0);
    play.textContent = 'Pause';
    playing = setInterval(() => {
      if (turn !== turns || !root.isConnected) return stop();
      show(place + 1);
      if (place === last) halt();
    }, PAUSE);
  }}, 'Play');

  function halt() {
    stop();
    play.textContent = 'Play';
  }

  const strip = data.steps.map((step, own) => {
    const small = make('canvas', {width: 160, height: Math.max(1, Math.round((160 * height) / width)), 'aria-hidden': 'true'});
    const button = make('button', {type: 'button', onclick: () => { halt(); show(own); }}, small,
      make('span', {}, named(step)), make('span', {class: 'changed'}, own ? `${(100 * step.changed).toFixed(1)} % changed` : '\u00a0'));
    return {button, small};
  });

  function picture(step) {
    drawn[step] ??= masked(photo, labels[step], data.colors);
    return drawn[step];
  }

  function show(step) {
    place = step;
    slider.value = step;
    slider.setAttribute('aria-valuetext', said(step));
    canvas.getContext('2d').drawImage(picture(step), 0, 0);
    canvas.setAttribute('aria-label', `Masks at ${named(data.steps[step])}`);
    readout.textContent = said(step);
    strip.forEach(({button}, own) => button.setAttribute('aria-pressed', String(own === step)));
    drawList();
  }

  root.replaceChildren(make('section', {class: 'errseg-panel errseg-sweep'},
    make('div', {class: 'errseg-controls'}, play, slider, make('span', {}, `${data.knob}: ${data.steps[0].value} to ${data.steps[last].value}`)),
    readout,
    make('div', {class: 'errseg-sweep-both'}, make('div', {class: 'errseg-sweep-picture', style: `--aspect:${width / height}`}, canvas), scroll),
    make('div', {class: 'errseg-sweep-strip', role: 'group', 'aria-label': 'All values'}, ...strip.map(({button}) => button))));
  show(0);
  window.errsegSpeech.say(`${data.steps.length} values of ${data.knob} are there.`);
  strip.forEach(({small}, step) => small.getContext('2d').drawImage(picture(step), 0, 0, small.width, small.height));
});
