// Words found in the photo, as chips: a click adds one to the words, a second takes it away again.
// All of it happens in the browser. Words that were filled in for a new photo are asked already.

const {make, follow, filePart, photoInBox} = window.errsegHelpers;

const LOOK = 250; // milliseconds between looks at the words, which the server fills in silently
const SEPARATOR = /[,;\t\n\uff0c\uff1b\ufe50\ufe54\ufe51\uff64\u3001\u060c\u061b\u037e]/; // as the server parts them

const box = () => document.querySelector('#errseg-classes textarea');
const plain = (word) => word.trim().replace(/\s+/g, ' ').toLowerCase();

/** Whether one class of the words, such as "sofa | couch", names a thing. */
const names = (entry, word) => entry.split(/[|\uff5c]/).some((name) => word.synonyms.includes(plain(name)));
const isIn = (text, word) => text.split(SEPARATOR).some((entry) => names(entry, word));

function write(field, text) {
  field.value = text;
  field.dispatchEvent(new Event('input', {bubbles: true})); // Gradio listens to it
  look();
}

function toggle(word) {
  const field = box();
  if (!field) return;
  const text = field.value.trim();
  if (isIn(text, word)) {
    const left = text.split(SEPARATOR).filter((entry) => entry.trim() && !names(entry, word));
    write(field, left.map((entry) => entry.trim()).join(', '));
  } else {
    write(field, text ? `${text.replace(/[,;\s]+$/, '')}, ${word.name}` : word.name);
  }
}

/** Fill words in where others still stand: not over what is typed, nor under the hands of somebody. */
function fillIn(before, words) {
  const field = box();
  if (!field || field.value !== before) return;
  if (document.activeElement === field) {
    const mine = found;
    field.addEventListener('blur', () => {
      if (found === mine && !mine.root.hidden) fillIn(before, words);
    }, {once: true});
  } else {
    write(field, words);
  }
}

let chips = [];
let seen = null;
let found = null; // the photo that they were found in, and where they stand
function look() {
  const photo = photoInBox();
  if (found) found.root.hidden = photo == null || filePart(photo) !== filePart(found.photo);
  const text = box()?.value ?? '';
  if (text === seen) return;
  seen = text;
  for (const {chip, word} of chips) chip.setAttribute('aria-pressed', String(isIn(text, word)));
}
setInterval(look, LOOK);

const status = make('p', {class: 'errseg-hint', role: 'status'});

follow(element, (data, root) => {
  const words = data.words.map(([name, ...others]) => ({name, synonyms: [name, ...others].map(plain)}));
  const list = make('div', {class: 'errseg-chips', role: 'group', 'aria-label': 'Words found in the photo'});
  chips = [];
  const more = make('button', {type: 'button', class: 'errseg-chip more', onclick: () => {
    const first = chips.length;
    show();
    chips[first].chip.focus();
  }});

  function show() {
    for (const word of words.slice(chips.length, chips.length + data.first)) {
      const chip = make('button', {type: 'button', class: 'errseg-chip', onclick: () => toggle(word)}, word.name);
      chips.push({chip, word});
      list.append(chip);
    }
    const left = words.length - chips.length;
    more.textContent = `${Math.min(left, data.first)} more`;
    if (left) list.append(more);
    else more.remove();
    seen = null;
    look();
  }
  found = {photo: data.photo, root};
  if (data.fill) fillIn(...data.fill);
  show();
  status.textContent = words.length
    ? 'Found in the photo; a click adds a word or takes it away.'
    : 'Nothing that has a name here was found.';
  root.replaceChildren(status, list);
});
