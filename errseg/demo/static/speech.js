// What is said aloud, by a screen reader, beside what stands on the page: a sentence when something
// is over, not every step on the way. Whoever moves the cross by keys hears what is there.

window.errsegSpeech = (() => {
const {make, whenThere} = window.errsegHelpers;
const PAUSE = 400; // milliseconds after the last key before the place of the cross is read
const ANEW = 50; // milliseconds in which a reader notices that the sentence before is gone

const spoken = make('p', {id: 'errseg-spoken', class: 'errseg-unseen', role: 'status'});
whenThere('body', (body) => body.append(spoken));

let due = null;
function say(sentence) {
  clearTimeout(due);
  spoken.textContent = ''; // the same sentence is said again
  due = setTimeout(() => { spoken.textContent = sentence; }, ANEW);
}

let moved = null;
document.addEventListener('errseg-point', ({detail}) => {
  clearTimeout(moved);
  if (!detail?.byKeys) return;
  moved = setTimeout(() => {
    const read = document.querySelector('#errseg-masks .errseg-readout')?.textContent ?? '';
    say(`${window.errseg.pinned ? 'Pinned. ' : ''}${read}`);
  }, PAUSE);
});

return {say};
})();
