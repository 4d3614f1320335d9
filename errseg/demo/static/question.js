// What belongs to the question as a whole: keys turn knobs as a pointer does, an answer to another
// question than the one in the boxes is greyed and says so, and what changes is said aloud.

(() => {
const {filePart, photoInBox, saysStop} = window.errsegHelpers;
const PAUSE = 500; // milliseconds after the last key before a knob counts as turned
const LOOK = 250; // milliseconds between looks at whether question and answer belong together
const STALE = 'This is the answer to the question before: press Segment for the photo and words above.';

/** Gradio's sliders tell of a new value when a pointer lets go; keys get that after a pause. */
let turned = null;
document.addEventListener('keyup', (event) => {
  const knob = event.target;
  if (!knob.matches?.('#errseg-question input[type=range], #errseg-question input[type=number]')) return;
  if (!/^(Arrow|Page|Home|End|Enter|Backspace|Delete|[0-9.]$)/.test(event.key)) return;
  clearTimeout(turned);
  turned = setTimeout(() => knob.dispatchEvent(new PointerEvent('pointerup', {bubbles: true})), PAUSE);
});

/** Whoever presses Segment has asked with the knob's new value already. */
document.addEventListener('click', (event) => {
  if (event.target.closest?.('#errseg-run')) clearTimeout(turned);
}, true);

function answersTheBoxes() {
  const asked = window.errseg?.question; // told by the masks' panel
  const words = document.querySelector('#errseg-classes textarea');
  const shown = document.querySelector('#errseg-masks [data-view]');
  if (!asked || !words || !shown) return true;
  const photo = window.errseg.uploading ? null : photoInBox();
  return words.value === asked.words && photo != null && filePart(photo) === filePart(asked.photo);
}

function look() {
  const answer = document.querySelector('.gradio-container');
  const message = document.querySelector('#errseg-message');
  const notes = document.querySelector('#errseg-notes');
  message?.setAttribute('aria-live', 'assertive');
  notes?.setAttribute('role', 'status');
  if (!answer) return;
  const waits = saysStop(document.querySelector('#errseg-run'));
  answer.classList.toggle('errseg-waiting', waits);
  const stale = !waits && !answersTheBoxes();
  if (stale === answer.classList.contains('errseg-stale')) return;
  answer.classList.toggle('errseg-stale', stale);
  document.querySelector('#errseg-stale')?.remove();
  if (!stale) return;
  const line = document.createElement('p');
  line.id = 'errseg-stale';
  line.setAttribute('role', 'status');
  line.textContent = STALE;
  document.querySelector('#errseg-legend')?.before(line);
}
setInterval(look, LOOK);
})();
