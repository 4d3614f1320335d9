// A button that says Stop stops: its press goes to the hidden button that ends the question. With
// other words or another photo in the boxes by now, it asks about those instead; a press that was on
// its way when the button changed (a double click, a knob and then Segment) meant what it said before.

(() => {
const {photoInBox, saysStop} = window.errsegHelpers;
const LOOK = 250; // milliseconds between looks at whether a question has begun by itself
const HAND = 300; // milliseconds that a hand needs to see the button change: a simple reaction
const asked = new Map(); // button's id -> what stood in the boxes when its question began

const boxes = () => `${photoInBox()}\n${document.querySelector('#errseg-classes textarea')?.value}`;

document.addEventListener('click', (event) => {
  const button = event.target.closest?.('button[id$="-run"]');
  if (!button) return;
  if (!saysStop(button) || (asked.has(button.id) && asked.get(button.id) !== boxes())) {
    asked.set(button.id, boxes());
    return;
  }
  event.stopImmediatePropagation();
  event.preventDefault();
  if (performance.now() - (stopSince.get(button.id) ?? performance.now()) < HAND) return;
  document.getElementById(button.id.replace(/run$/, 'stop')).click();
}, true);

document.addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || event.shiftKey || !event.target.matches?.('#errseg-classes textarea')) return;
  asked.set('errseg-run', boxes());
}, true);

const stopSince = new Map(); // button's id -> when it was first seen to say Stop
setInterval(() => {
  const waiting = [...document.querySelectorAll('button[id$="-run"]')].filter(saysStop).map((b) => b.id);
  for (const id of stopSince.keys()) {
    if (waiting.includes(id)) continue;
    stopSince.delete(id); // it is over
    asked.delete(id);
  }
  for (const id of waiting) {
    if (!stopSince.has(id)) stopSince.set(id, performance.now());
    if (!asked.has(id)) asked.set(id, boxes());
  }
}, LOOK);
})();
