// A button that says Stop stops: its press goes to the hidden button that ends the question. With
// other words or another photo in the boxes by now, it asks about those instead.

(() => {
const {photoInBox, saysStop} = window.errsegHelpers;
const LOOK = 250; // milliseconds between looks at whether a question has begun by itself
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
  document.getElementById(button.id.replace(/run$/, 'stop')).click();
}, true);

document.addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || event.shiftKey || !event.target.matches?.('#errseg-classes textarea')) return;
  asked.set('errseg-run', boxes());
}, true);

let waited = new Set();
setInterval(() => {
  const waiting = [...document.querySelectorAll('button[id$="-run"]')].filter(saysStop).map((b) => b.id);
  for (const id of waited) if (!waiting.includes(id)) asked.delete(id); // it is over
  for (const id of waiting) if (!asked.has(id)) asked.set(id, boxes());
  waited = new Set(waiting);
}, LOOK);
})();
