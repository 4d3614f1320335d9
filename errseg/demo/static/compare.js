// Two answers to one photo, one over the other: a curtain parts them, by pointer or by keys.

const {make, follow, pixels, percent, css} = window.errsegHelpers;
const {NO_CLASS, labelsOf, masked} = window.errsegMasks;
const {placeOn, clamped} = window.errsegPointer;

const STEP = 0.02; // of the width, by an arrow key; by Page Up and Page Down five times that
let turns = 0;
let share = 0.5; // of the picture that is A's, kept over answers

follow(element, async (data, root) => {
  const turn = ++turns;
  const [photo, ...read] = await Promise.all([data.photo, ...data.sides.map((side) => side.labels)].map(pixels));
  if (turn !== turns) return; // a later answer was faster
  const {width, height} = photo;
  const sides = data.sides.map((side, i) => {
    const labels = labelsOf(read[i]);
    const canvas = masked(photo, labels, side.colors);
    canvas.setAttribute('aria-hidden', 'true');
    return {...side, labels, canvas};
  });
  const letters = ['A', 'B'];

  const curtain = make('div', {
    class: 'errseg-curtain', role: 'slider', tabindex: 0, 'aria-label': 'Curtain between A and B',
    'aria-valuemin': 0, 'aria-valuemax': 100, 'aria-orientation': 'horizontal',
  },
  sides[1].canvas, sides[0].canvas,
  make('span', {class: 'errseg-curtain-title a'}, `A: ${sides[0].title}`),
  make('span', {class: 'errseg-curtain-title b'}, `B: ${sides[1].title}`),
  make('i', {class: 'errseg-curtain-line', 'aria-hidden': 'true'}));
  const readout = make('p', {class: 'errseg-readout'}, hint());

  function hint() {
    return 'Drag the line, or move it with the arrow keys; point at the picture to read both.';
  }

  function draw(to) {
    share = Math.min(Math.max(to, 0), 1);
    const parted = Math.round(100 * share);
    sides[0].canvas.style.clipPath = `inset(0 ${100 - 100 * share}% 0 0)`;
    curtain.style.setProperty('--share', `${100 * share}%`);
    curtain.setAttribute('aria-valuenow', parted);
    curtain.setAttribute('aria-valuetext', `${parted} % A, ${100 - parted} % B`);
  }

  const placeOf = (event) => placeOn(event, sides[0].canvas);

  curtain.addEventListener('pointerdown', (event) => {
    curtain.setPointerCapture(event.pointerId);
    draw(placeOf(event)[0]);
  });
  curtain.addEventListener('pointermove', (event) => {
    const [x, y] = placeOf(event);
    if (event.buttons & 1) draw(x);
    const [column, row] = [Math.floor(clamped(x) * width), Math.floor(clamped(y) * height)];
    readout.textContent = sides.map(({labels, names}, i) => {
      const label = labels[row * width + column];
      return `${letters[i]}: ${label === NO_CLASS ? 'none of these' : names[label]}`;
    }).join(' · ');
  });
  curtain.addEventListener('pointerleave', () => { readout.textContent = hint(); });
  curtain.addEventListener('keydown', (event) => {
    const to = {
      ArrowLeft: share - STEP, ArrowDown: share - STEP, ArrowRight: share + STEP, ArrowUp: share + STEP,
      PageDown: share - 5 * STEP, PageUp: share + 5 * STEP, Home: 0, End: 1,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    draw(to);
  });

  const legend = ({title, legend: rows, names, colors, none}, i) => make('div', {},
    make('h3', {}, `${letters[i]}: ${title}`),
    make('ul', {class: 'errseg-compare-legend'}, ...rows.map(([index, area]) => make('li', {},
      make('i', {class: 'errseg-swatch', 'aria-hidden': 'true', style: `background:${css(colors[index])}`}),
      make('span', {}, names[index]), make('span', {class: 'area'}, percent(area)))),
    none ? make('li', {}, make('i', {class: 'errseg-swatch none', 'aria-hidden': 'true'}),
      make('span', {}, 'none of these'), make('span', {class: 'area'}, percent(none))) : null));

  draw(share);
  root.replaceChildren(make('section', {class: 'errseg-panel'},
    make('div', {class: 'errseg-curtain-place', style: `--aspect:${width / height}`}, curtain), readout,
    make('div', {class: 'errseg-compare-both'}, ...sides.map(legend))));
});
