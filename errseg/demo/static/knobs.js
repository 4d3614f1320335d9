// The question's sliders and their number boxes: keys turn them as a pointer does, and one turn asks
// once. Gradio tells the server when a pointer lets go, and of a number box also when it is left.

(() => {
const AFTER_ARROW = 250; // milliseconds after the last key before a slider counts as turned
const AFTER_DIGIT = 500; // likewise, while a number is being typed
const KEYS = /^(Arrow|Page|Home|End|Enter|Backspace|Delete|[0-9.]$)/;
const known = new WeakMap(); // number box -> its value when somebody came to it, or when it last asked
let due = null; // the timer of a turn by keys

const isKnob = (control) => control.matches?.('#errseg-question :is(input[type=range], input[type=number])');
const isBox = (control) => isKnob(control) && control.type === 'number' &&
  control.closest('[id^=errseg-]').querySelector('input[type=range]') != null;

document.addEventListener('keyup', ({target, key}) => {
  if (!isKnob(target) || !KEYS.test(key)) return;
  clearTimeout(due);
  const pause = key === 'Enter' ? 0 : target.type === 'number' ? AFTER_DIGIT : AFTER_ARROW;
  due = setTimeout(() => target.dispatchEvent(new PointerEvent('pointerup', {bubbles: true})), pause);
});

/** Whoever presses Segment has asked with the knob's new value already. */
document.addEventListener('click', (event) => {
  if (event.target.closest?.('#errseg-run')) clearTimeout(due);
}, true);

document.addEventListener('focus', ({target}) => {
  if (isBox(target)) known.set(target, target.value);
}, true);

/** Let a number box ask if its number is another one than before, or words or photo are; one that is
 * out of range is for Gradio, and for the server, to set right. */
function askOnce(event) {
  const {target} = event;
  if (!isBox(target)) return;
  if (event.type === 'blur') clearTimeout(due);
  const {rangeOverflow, rangeUnderflow} = target.validity;
  const isSame = target.value !== '' && Number(target.value) === Number(known.get(target));
  const isAnswered = !target.closest('.errseg-stale');
  if (isSame && isAnswered && !rangeOverflow && !rangeUnderflow) event.stopImmediatePropagation();
  else known.set(target, target.value);
}
document.addEventListener('pointerup', askOnce, true);
document.addEventListener('blur', askOnce, true);
})();
