// The CRM panel: all prompted classes by score, the line that P draws, a search and a table.

const {make, follow, keepFocus, afterPaint, percent} = window.errsegHelpers;

const FEW = 20; // words whose list is folded where all of them are kept: CRM changes nothing then
const MOST_TICKS = 4; // of the axis, so that they don't touch
const ORDINALS = ['first', 'second', 'third'];
const choices = {search: '', table: false, open: false}; // kept over answers
let turns = 0;
let drawn = null; // {rows, showAreas(areas)} of what is shown

// The masks go first: a long list takes as long to draw as they do.
follow(element, (data, root) => {
  const turn = ++turns;
  if (drawn?.rows === data.rows) return drawn.showAreas(data.areas); // another threshold's
  return new Promise((done) => afterPaint(() => {
    if (turn === turns) drawn = draw(data, root);
    done();
  }));
}, () => {
  turns++;
  drawn = null;
});

function draw(data, root) {
  const ranks = data.rows[0].votes.length;
  let areas = new Map(data.areas);
  const scale = logarithmic(data.rows.map((row) => row.score).filter((score) => score > 0));
  const list = make('div', {
    class: 'errseg-ranking', tabindex: 0, role: 'region', 'aria-label': 'Classes by CRM score',
  });

  const isKept = (row) => row.rank <= data.kept;
  const hasVotes = (row) => row.votes.some((count) => count > 0);
  const state = (row) => (isKept(row) ? 'kept' : 'dropped');
  const kind = (row) => `${state(row)}${isKept(row) && !hasVotes(row) ? ' unvoted' : ''}`;
  const show = (row) => ({
    onclick: () => trigger('select', {index: row.index}),
    title: `Where is ${row.name}? Its cost maps`,
    'data-control': `class ${row.index}`,
  });

  /** Scores on a logarithmic axis of whole decades: {share(score), ticks}. */
  function logarithmic(scores) {
    const most = Math.max(...scores, 1);
    const last = Math.ceil(Math.log10(most) - 1e-9);
    const first = Math.min(Math.floor(Math.log10(Math.min(...scores, most))), last - 1);
    const step = Math.ceil((last - first + 1) / MOST_TICKS);
    const decades = Array.from({length: last - first + 1}, (_, i) => last - i)
      .filter((_, i) => i % step === 0);
    return {
      share: (score) => (score > 0 ? (Math.log10(score) - first) / (last - first) : 0),
      ticks: decades.map((decade) => [(decade - first) / (last - first), 10 ** decade]),
    };
  }

  const short = (number) => number.toLocaleString('en', {notation: 'compact', maximumSignificantDigits: 3});

  function axis() {
    return make('div', {class: 'errseg-axis', 'aria-hidden': 'true'}, make('span'), make('span'),
      make('span', {class: 'ticks'}, ...scale.ticks.map(([share, value]) =>
        make('span', {style: `left:${100 * share}%`}, short(value)))),
      make('span'));
  }

  function bar(row) {
    return make('button', {type: 'button', class: `errseg-bar ${kind(row)}`, ...show(row)},
      make('span', {class: 'rank'}, String(row.rank)),
      make('span', {class: 'name'}, row.name),
      make('span', {class: 'track'}, row.score > 0
        ? make('span', {style: `width:${100 * scale.share(row.score)}%`}) : null),
      make('span', {class: 'score'}, row.score.toLocaleString('en', {maximumFractionDigits: 1})),
      make('span', {class: 'state'}, hasVotes(row) ? state(row) : `${state(row)}, no pixel voted for it`));
  }

  function line() {
    return make('div', {class: 'errseg-line'},
      make('span', {}, `P = ${data.kept}: dropped from here on`));
  }

  function table(rows) {
    const heads = ['#', 'class', 'score', ...Array.from({length: ranks}, (_, k) => `rank ${k + 1}`), 'share', ''];
    return make('table', {},
      make('thead', {}, make('tr', {}, ...heads.map((head) => make('th', {scope: 'col'}, head)))),
      make('tbody', {}, ...rows.map((row) => make('tr', {class: kind(row)},
        make('td', {}, String(row.rank)),
        make('th', {scope: 'row'}, make('button', {type: 'button', ...show(row)}, row.name)),
        make('td', {}, row.score.toLocaleString('en', {maximumFractionDigits: 2})),
        ...row.votes.map((count) => make('td', {}, count.toLocaleString('en'))),
        make('td', {}, areas.has(row.index) ? percent(areas.get(row.index)) : '–'),
        make('td', {}, state(row))))));
  }

  function fill() {
    const wanted = choices.search.trim().toLowerCase();
    const rows = data.rows.filter((row) => row.name.toLowerCase().includes(wanted));
    const bars = () => [axis(), ...rows.flatMap((row, place) =>
      (!isKept(row) && (place === 0 || isKept(rows[place - 1])) ? [line(), bar(row)] : [bar(row)]))];
    const shown = choices.table ? [table(rows)] : bars();
    keepFocus(list, () => list.replaceChildren(...(rows.length ? shown : ['No class has these letters.'])));
  }

  /** What a vote counts, by its rank: "First votes count 1, second 0.1, third 0.01". */
  function weights() {
    const told = ORDINALS.slice(0, ranks).map((word, rank) =>
      `${word}${rank ? '' : ' votes count'} ${short(data.beta ** rank)}`);
    const sentence = told.join(', ');
    return `${sentence[0].toUpperCase()}${sentence.slice(1)}${ranks > told.length ? ' and so on' : ''}.`;
  }

  const allKept = data.kept >= data.rows.length;
  const all = data.asked >= data.rows.length ? ' (all)' : '';
  const unvoted = data.rows.filter((row) => isKept(row) && !hasVotes(row)).length;
  const search = make('input', {
    type: 'search', placeholder: 'Find a class', 'aria-label': 'Find a class', value: choices.search,
    oninput: (event) => { choices.search = event.target.value; fill(); },
  });
  const kindButton = make('button', {
    type: 'button', class: 'errseg-kind', 'aria-pressed': String(choices.table),
    onclick: (event) => {
      choices.table = !choices.table;
      event.target.setAttribute('aria-pressed', String(choices.table));
      fill();
    },
  }, 'Table');
  fill();
  const said = !unvoted ? null : make('p', {class: 'errseg-hint errseg-exceeds'},
    `${unvoted} kept ${unvoted === 1 ? 'class has' : 'classes have'} no pixel's vote: P exceeds what the photo has.`);
  const content = [
    make('div', {class: 'errseg-controls'}, search, kindButton),
    list,
    make('p', {class: 'errseg-hint'}, `Score, on a logarithmic axis: ${weights()} ` +
      'Click a class for its cost maps, kept or dropped.'),
  ];
  const folded = allKept && data.rows.length <= FEW;
  root.replaceChildren(make('section', {class: 'errseg-panel'},
    make('h2', {}, `CRM kept ${data.kept} of ${data.rows.length}${all}`),
    said,
    ...(folded ? [make('details', {
      open: choices.open, ontoggle: (event) => { choices.open = event.target.open; },
    }, make('summary', {}, 'With so few words none is dropped. Scores and cost maps'), ...content)] : content)));
  return {
    rows: data.rows,
    showAreas: (others) => {
      areas = new Map(others);
      if (choices.table) fill();
    },
  };
}
