// Fig. 2 over all pixels: what SFM and CFM attend to, with CRM and without, in bars.

const {make, follow} = window.errsegHelpers;

const MEASURES = [
  ['distance', 'How far away it looks', 'mean distance, in % of the photo’s diagonal'],
  ['own', 'How much of it is on the same class', 'share of a cell’s attention on cells of its own class'],
  ['own_far', 'How much is on the same class, far away', 'farther than a quarter of the diagonal'],
];
const INTRODUCTION = 'Every cell of the photo’s grid asks in the channel of its own class; what SFM attends to is ' +
  'summed up over all of them, with the classes that CRM keeps and with all (P = T).';
const SAME = 'Layer 1 of SFM sees each class alone, so CRM changes nothing there.';

const tenth = (share) => (share == null ? '–' : `${(100 * share).toFixed(1)} %`);

/** One measure: for each layer a bar with CRM and one without, and where even attention would end. */
function measure(title, unit, layers) {
  const most = Math.max(...layers.flat().flatMap(({value, evenly}) => [value ?? 0, evenly ?? 0]), 1e-9);
  const bar = ({side, value, evenly}, layer) => make('tr', {class: side === 'with CRM' ? 'kept' : 'all'},
    make('th', {scope: 'row'}, `layer ${layer + 1}, ${side}`),
    make('td', {},
      make('span', {class: 'track', 'aria-hidden': 'true'},
        make('span', {style: `width:${(100 * (value ?? 0)) / most}%`}),
        make('i', {style: `left:${(100 * (evenly ?? 0)) / most}%`}))),
    make('td', {}, tenth(value)),
    make('td', {class: 'evenly'}, tenth(evenly)));
  return make('table', {class: 'errseg-figure2'},
    make('caption', {}, make('b', {}, title), ` ${unit}`),
    make('thead', {}, make('tr', {}, make('td'), make('td'),
      make('th', {scope: 'col'}, 'found'), make('th', {scope: 'col'}, 'evenly'))),
    make('tbody', {}, ...layers.flatMap((rows, layer) => rows.map((row) => bar(row, layer)))));
}

function figures(data) {
  const names = ['with CRM', 'without'];
  const layersOf = (values) => {
    const count = Math.max(...data.sides.map((side) => values(side).length));
    return Array.from({length: count}, (_, layer) => data.sides.map((side, place) => (
      {side: names[place], ...values(side)[layer]})));
  };
  const tables = MEASURES.map(([name, title, unit]) => measure(title, unit,
    layersOf((side) => side.sfm.map((look) => ({value: look[name], evenly: data.evenly[name]})))));
  tables.push(measure('How much CFM puts on the classes found', 'Proposition 1: from those classes, to them',
    layersOf((side) => side.onPresent.map((value) => ({value, evenly: side.evenlyOnPresent})))));
  const [kept, all] = data.sides.map((side) => side.classes);
  return [
    make('p', {class: 'errseg-readout', role: 'status'},
      `${data.cells.toLocaleString('en')} cells asked, of ${data.present} classes found; P = ${kept}, without CRM P = T = ${all}. ` +
      'The line in a bar is where attention that is spread evenly would end.'),
    ...tables,
    make('p', {class: 'errseg-hint'}, [SAME, data.measured].filter(Boolean).join(' ')),
  ];
}

follow(element, (data, root) => {
  const button = make('button', {
    type: 'button', class: 'errseg-kind errseg-measure', disabled: data.obstacle != null,
    onclick: () => {
      if (button.ariaDisabled) return;
      button.ariaDisabled = 'true'; // one that is disabled loses the focus
      button.textContent = 'Measuring …';
      trigger('select', {});
    },
  }, 'Measure over all pixels');
  const shown = data.sides ? figures(data) : [
    make('p', {class: 'errseg-hint'}, INTRODUCTION),
    button,
    data.obstacle && make('p', {class: 'errseg-readout'}, data.obstacle),
    data.said && make('p', {class: 'errseg-message', role: 'alert'}, data.said),
  ].filter(Boolean);
  root.replaceChildren(make('section', {class: 'errseg-panel'},
    make('h2', {}, 'With CRM and without, over all pixels (Fig. 2)'), ...shown));
});
