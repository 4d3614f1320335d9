// What to know about the words, each with a click that writes what may have been meant, and asks.

const {make, follow} = window.errsegHelpers;

const PAUSE = 60; // milliseconds until Gradio knows of what was written

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
  root.replaceChildren(...(rows.length ? [make('ul', {class: 'errseg-hints', role: 'status'}, ...rows)] : []));
});
