// The contact sheet of a batch: a card a photo, with its masks and the words that were found. It
// grows while the photos are segmented; a click opens a picture large.

const {make, follow, percent, css} = window.errsegHelpers;

const MOST_WORDS = 6; // on a card; the large picture has all

const address = (path) =>
  `${window.gradio_config?.root ?? ''}${window.gradio_config?.api_prefix ?? '/gradio_api'}/file=${path}`;

follow(element, (data, root) => {
  const items = data.cards.filter((card) => card.picture).map((card) => ({
    title: card.name, line: card.words.length ? '' : card.sentence,
    draw: () => make('img', {src: address(card.picture), alt: `Masks of ${card.name}`}),
    below: words(card.words, card.words.length),
  }));

  function words(found, most) {
    const more = found.length - most;
    return make('ul', {class: 'errseg-large-words'},
      ...found.slice(0, most).map(([name, color, share]) => make('li', {},
        make('i', {class: 'errseg-swatch', style: `background:${css(color)}`, 'aria-hidden': 'true'}),
        make('span', {}, `${name} ${percent(share)}`))),
      more > 0 ? make('li', {}, `and ${more} more`) : null);
  }

  function drawn(card, place) {
    const number = data.cards.slice(0, place).filter((other) => other.picture).length;
    const inside = [
      card.thumbnail
        ? make('img', {src: address(card.thumbnail), alt: '', loading: 'lazy'})
        : make('span', {class: 'errseg-sheet-none', 'aria-hidden': 'true'}, '?'),
      make('b', {}, card.name),
    ];
    return make('li', {},
      card.picture
        ? make('button', {
          type: 'button', title: 'Show it large', onclick: () => window.errsegLarge(root, opened.items, number),
        }, ...inside)
        : make('div', {}, ...inside),
      card.words.length ? words(card.words, MOST_WORDS) : make('p', {class: 'errseg-hint'}, card.sentence));
  }

  // Cards that are there already stay as they are: somebody may look at one.
  const before = root.errsegSheet;
  const goesOn = before?.list.isConnected && before.cards.length <= data.cards.length
    && before.cards.every((card, place) => card === JSON.stringify(data.cards[place]));
  const opened = goesOn ? before : {cards: [], list: make('ul', {class: 'errseg-sheet'})};
  opened.items = items;
  const added = data.cards.slice(opened.cards.length).map((card, place) =>
    drawn(card, opened.cards.length + place));
  opened.list.append(...added);
  opened.cards = data.cards.map((card) => JSON.stringify(card));
  const failed = data.cards.filter((card) => !card.picture).length;
  const said = `${data.cards.length} of ${data.of} photos${failed ? `, ${failed} could not be segmented` : ''}`;
  if (!goesOn) {
    opened.said = make('p', {class: 'errseg-readout', role: 'status'});
    root.replaceChildren(make('section', {class: 'errseg-panel'},
      make('h2', {}, 'Contact sheet'), opened.said, opened.list));
  }
  opened.said.textContent = said;
  root.errsegSheet = opened;
});
