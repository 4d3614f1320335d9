// What to know about the words, each with a click that writes what may have been meant, and asks.

const {make, follow} = window.errsegHelpers;

const PAUSE = 60; // milliseconds until Gradio knows of what was written
const SHOWN = 3; // hints that aren't folded
const choices = {open: false}; // kept over hints

function write(field, value) {
  if (!field) return;
  field.value = value;
  field.dispatchEvent(new Event('input', {bubbles: true})); // Gradio listens to it
}

function take(hint) {
  const words = document.querySelector('#errseg-classes textarea');
  if (hint.words) write(words, hint.words);
  if (hint.threshold != null) write(document.querySelector('#errseg-threshold input[type=number]'), hint.threshold);
  words?.focus(); // the button goes with the hint
  setTimeout(() => document.querySelector('button#errseg-run, #errseg-run button')?.click(), PAUSE);
}

follow(element, (data, root) => {
  const rows = data.hints.map((hint) => make('li', {}, make('span', {}, hint.sentence),
    hint.label && make('button', {
      type: 'button', class: 'errseg-take', 'aria-label': `${hint.label}: ${hint.sentence}`,
      onclick: () => take(hint),
    }, hint.label)));
  const list = (...children) => make('ul', {class: 'errseg-hints'}, ...children);
  const rest = rows.length > SHOWN + 1 ? rows.splice(SHOWN) : []; // a fold takes a line itself
  const more = rest.length ? make('details', {
    class: 'errseg-rest', open: choices.open, ontoggle: (event) => { choices.open = event.target.open; },
  }, make('summary', {}, `and ${rest.length} more`), list(...rest)) : null;
  root.replaceChildren(...(rows.length ? [make('div', {role: 'status'}, list(...rows)), more].filter(Boolean) : []));
});
