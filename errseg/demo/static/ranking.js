// The CRM panel: all prompted classes by score, the line that P draws, a search and a table.

const {make, follow, percent} = window.errsegHelpers;

const choices = {search: '', table: false}; // kept over answers

follow(element, (data, root) => {
  const highest = Math.max(...data.rows.map((row) => row.score), 1e-9);
  const ranks = data.rows[0].votes.length;
  const list = make('div', {
    class: 'errseg-ranking', tabindex: 0, role: 'region', 'aria-label': 'Classes by CRM score',
  });

  const state = (row) => (row.rank <= data.kept ? 'kept' : 'dropped');
  const show = (row) => ({
    onclick: () => trigger('select', {index: row.index}),
    title: `Cost maps of ${row.name}`,
  });

  function bar(row) {
    return make('button', {type: 'button', class: `errseg-bar ${state(row)}`, ...show(row)},
      make('span', {class: 'rank'}, String(row.rank)),
      make('span', {class: 'name'}, row.name),
      make('span', {class: 'track'}, make('span', {style: `width:${(100 * row.score) / highest}%`})),
      make('span', {class: 'score'}, row.score.toLocaleString('en', {maximumFractionDigits: 1})),
      make('span', {class: 'state'}, state(row)));
  }

  function line() {
    return make('div', {class: 'errseg-line'},
      make('span', {}, `P = ${data.kept}: dropped from here on`));
  }

  function table(rows) {
    const heads = ['#', 'class', 'score', ...Array.from({length: ranks}, (_, k) => `rank ${k + 1}`), 'share', ''];
    return make('table', {},
      make('thead', {}, make('tr', {}, ...heads.map((head) => make('th', {scope: 'col'}, head)))),
      make('tbody', {}, ...rows.map((row) => make('tr', {class: state(row)},
        make('td', {}, String(row.rank)),
        make('th', {scope: 'row'}, make('button', {type: 'button', ...show(row)}, row.name)),
        make('td', {}, row.score.toLocaleString('en', {maximumFractionDigits: 2})),
        ...row.votes.map((count) => make('td', {}, count.toLocaleString('en'))),
        make('td', {}, row.area ? percent(row.area) : '–'),
        make('td', {}, state(row))))));
  }

  function draw() {
    const wanted = choices.search.trim().toLowerCase();
    const rows = data.rows.filter((row) => row.name.toLowerCase().includes(wanted));
    const drawn = choices.table ? [table(rows)] : rows.flatMap((row, place) =>
      state(row) === 'dropped' && (place === 0 || state(rows[place - 1]) === 'kept')
        ? [line(), bar(row)] : [bar(row)]);
    list.replaceChildren(...(rows.length ? drawn : ['No class has these letters.']));
  }

  const all = data.asked >= data.rows.length ? ' (all)' : '';
  const search = make('input', {
    type: 'search', placeholder: 'Find a class', 'aria-label': 'Find a class', value: choices.search,
    oninput: (event) => { choices.search = event.target.value; draw(); },
  });
  const kind = make('button', {
    type: 'button', class: 'errseg-kind', 'aria-pressed': String(choices.table),
    onclick: (event) => {
      choices.table = !choices.table;
      event.target.setAttribute('aria-pressed', String(choices.table));
      draw();
    },
  }, 'Table');
  draw();
  root.replaceChildren(make('section', {class: 'errseg-panel'},
    make('h2', {}, `CRM kept ${data.kept} of ${data.rows.length}${all}`),
    make('div', {class: 'errseg-controls'}, search, kind),
    list,
    make('p', {class: 'errseg-hint'},
      `Score: votes at rank r count ${data.beta}^(r−1). Click a class for its cost maps, kept or dropped.`)));
});
