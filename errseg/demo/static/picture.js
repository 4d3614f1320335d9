// The picture's place: takes a photo that is dropped, pasted or chosen, and shows the photo that is
// asked about until its masks are there.

const {make, tell, whenThere, filePart, photoInBox} = window.errsegHelpers;

const ONE = 'One photo at a time; the Batch tab takes several.';
const NOT_SHOWN = 'A browser can\'t show this file; the answer will, if it is a photo.';

/** A button, and the unseen input that it opens. */
function source(text, attributes) {
  const input = make('input', {
    type: 'file', accept: 'image/*', tabindex: -1, 'aria-label': text, hidden: true,
    onchange: () => { take(input.files); input.value = ''; }, ...attributes,
  });
  const button = make('button', {type: 'button', onclick: () => input.click()}, text);
  return {input, button};
}

const chosen = source('Choose a photo');
// On a phone, whose own dialogue for pictures may offer no camera; see `picture.css`.
const taken = source('Take one', {capture: 'environment'});
taken.button.classList.add('errseg-camera');
const sources = make('div', {class: 'errseg-sources'}, chosen.button, taken.button);
const shown = make('img', {
  alt: 'The photo, still without masks', onerror: () => say(NOT_SHOWN), onload: () => shape(),
});
const empty = make('p', {class: 'errseg-empty'}, 'Drop a photo here, paste one, or choose one.');
const note = make('p', {class: 'errseg-message', role: 'alert', hidden: true});
const root = make('div', {class: 'errseg-drop'}, chosen.input, taken.input,
  make('div', {class: 'errseg-fitted'}, shown), empty, note);
element.after(root);
whenThere('#errseg-examples', (strip) => strip.prepend(sources));
const column = () => root.closest('#errseg-picture-column');

let local = null; // the visitor's own file: {address: blob, path on the server, once it is there,
// arrived: whether it is the one in the box}

function say(sentence) {
  note.textContent = sentence;
  note.hidden = !sentence;
}

function shape() {
  shown.parentElement.style.setProperty('--aspect', shown.naturalWidth / shown.naturalHeight);
}

/** Upload a file, show it at once, and let the server be asked about it. */
async function take(files) {
  const file = [...files].find((one) => one.type.startsWith('image/')) ?? files[0];
  if (!file) return;
  say(files.length > 1 ? ONE : '');
  if (local) URL.revokeObjectURL(local.address);
  const mine = local = {address: URL.createObjectURL(file), path: null, arrived: false};
  tell({uploading: true});
  try {
    const {path} = await upload(new File([file], file.name.replace(/^\.+/, ''), {type: file.type}));
    if (mine !== local) return; // a later one was chosen meanwhile
    mine.path = path;
    trigger('upload', {path});
  } catch (error) {
    if (mine !== local) return;
    local = null;
    say(`The photo didn't arrive: ${error instanceof Error ? error.message : error}`);
  }
  tell({uploading: false});
}

/** Show the masks if they are of the photo in the box, else that photo as it is. */
function look() {
  const box = photoInBox();
  const asked = window.errseg?.question?.photo;
  const same = (path) => path != null && box != null && filePart(path) === filePart(box);
  if (local?.arrived && !same(local.path)) local = null; // another photo took its place
  if (local) local.arrived = same(local.path);
  const answered = same(asked) && (!local || local.arrived);
  const address = local?.address ?? box;
  column().dataset.photo = answered ? 'masks' : address ? 'plain' : 'none';
  if (answered && note.textContent === NOT_SHOWN) say('');
  if (!answered && address && shown.getAttribute('src') !== address) shown.src = address;
}

whenThere('#errseg-photo', (box) => {
  document.addEventListener('errseg', look);
  new MutationObserver(look).observe(box, {
    attributes: true, attributeFilter: ['src'], childList: true, subtree: true,
  });
  look();
});

const carriesFiles = (event) => event.dataTransfer?.types.includes('Files') &&
  !event.target.closest?.('#errseg-tabs'); // Batch has a place of its own
document.addEventListener('dragover', (event) => {
  if (!carriesFiles(event)) return;
  event.preventDefault();
  column().classList.add('errseg-dragged');
});
for (const over of ['dragleave', 'dragend', 'drop']) {
  document.addEventListener(over, () => column().classList.remove('errseg-dragged'));
}
document.addEventListener('drop', (event) => {
  if (!carriesFiles(event)) return;
  event.preventDefault();
  take(event.dataTransfer.files);
});
document.addEventListener('paste', (event) => {
  const files = [...(event.clipboardData?.files ?? [])];
  if (!files.some((file) => file.type.startsWith('image/'))) return;
  event.preventDefault();
  take(files);
});
