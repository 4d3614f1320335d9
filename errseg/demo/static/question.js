// What belongs to the question as a whole: an answer to another question than the one in the boxes is
// greyed and says so, and what came of a question is said aloud.

(() => {
const {filePart, photoInBox, saysStop} = window.errsegHelpers;
const {say} = window.errsegSpeech;
const LOOK = 250; // milliseconds between looks at whether question and answer belong together
const LASTS = 1000; // milliseconds from which on a state is worth telling who listens
const DRAWN = 300; // milliseconds after an answer in which all that it says is on the page
const MOST_SAID = 5; // classes that are read out
const SOON = 3000; // milliseconds after a photo arrived in which the page asks about it by itself
const STALE = 'This is the answer to the question before: press Segment for the photo and words above.';

function answersTheBoxes() {
  const asked = window.errseg?.question; // told by the masks' panel
  const words = document.querySelector('#errseg-classes textarea');
  const shown = document.querySelector('#errseg-masks [data-view]');
  if (!asked || !words || !shown) return true;
  const photo = window.errseg.uploading ? null : photoInBox();
  return words.value === asked.words && photo != null && filePart(photo) === filePart(asked.photo);
}

/** Say how a question ended that has no answer. A refusal is an alert, which says itself. */
function sayEnd(waits) {
  if (waits) began ??= {answered};
  else if (began) {
    const line = document.querySelector('#errseg-message .errseg-stage');
    if (began.answered === answered && line) say(line.textContent);
    began = null;
  }
}

/** Say a sentence once a state has lasted, and again only after the state was over. */
function whenLasting(sentence) {
  let [since, said] = [null, false];
  return (isSo) => {
    if (!isSo) [since, said] = [null, false];
    else if (!said && performance.now() - (since ??= performance.now()) >= LASTS) {
      said = true;
      say(sentence);
    }
  };
}
const sayStale = whenLasting(STALE);
const sayWaits = whenLasting('The photo is being segmented.');

/** What an answer says, in a sentence or two: the largest classes, and the notices. */
function summary() {
  const rows = [...document.querySelectorAll('#errseg-legend .toggle')].map((row) =>
    [...row.children].slice(0, 2).map((part) => part.textContent).join(' '));
  const more = rows.length > MOST_SAID ? ` and ${rows.length - MOST_SAID} more` : '';
  const notices = [...document.querySelectorAll('#errseg-notes .errseg-notices li')].map((row) => row.textContent);
  return [`Found: ${rows.slice(0, MOST_SAID).join(', ')}${more}.`, ...notices].join(' ');
}

let answered = null; // the question whose answer was shown last
let began = null; // what was shown when the present question began, while there is one
document.addEventListener('errseg', () => {
  const {question} = window.errseg;
  if (!question || question === answered) return;
  if (answered) setTimeout(() => say(summary()), DRAWN); // who opens the page reads it in its order
  answered = question;
});
let arrived = 0; // when a photo was last on its way
document.addEventListener('errseg', () => { if (window.errseg.uploading) arrived = Date.now(); });

function look() {
  const answer = document.querySelector('.gradio-container');
  if (!answer) return;
  const waits = saysStop(document.querySelector('#errseg-run'));
  sayWaits(waits);
  sayEnd(waits);
  answer.classList.toggle('errseg-waiting', waits);
  const stale = !waits && !answersTheBoxes();
  answer.classList.toggle('errseg-stale', stale);
  const said = stale && Date.now() - arrived > SOON;
  sayStale(said);
  if (said === Boolean(document.querySelector('#errseg-stale'))) return;
  document.querySelector('#errseg-stale')?.remove();
  if (!said) return;
  const line = document.createElement('p');
  line.id = 'errseg-stale';
  line.textContent = STALE;
  document.querySelector('#errseg-legend')?.before(line);
}
setInterval(look, LOOK);
})();
