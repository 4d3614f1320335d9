// A closer look at one place: buttons below the picture. The place is the pinned cross, or where keys
// moved it; where there is none yet, the next one that is pinned. (Under a pointer on its way to the
// button the cross goes along.)

window.errsegCloser = (() => {
const {make, showIf} = window.errsegHelpers;
const {say} = window.errsegSpeech;
const [HERE, CHOOSE] = ['Look closer here', 'Click the place'];

let stays = false; // whether the cross stays where it is while the pointer goes to the button
let chosen = null; // what to do with the next place that is pinned
document.addEventListener('errseg-point', ({detail}) => {
  const {pinned} = window.errseg;
  stays = pinned || detail.byKeys;
  if (pinned) chosen?.();
});
document.addEventListener('keydown', (event) => { if (event.key === 'Escape') chosen?.(false); });

/** Make the buttons: whether some part was looked at closer, and what asks for it at a place, or at
 * none. */
return (part, ask) => {
  const here = make('button', {
    type: 'button', class: 'errseg-kind', 'aria-pressed': 'false', onclick: () => {
      if (chosen) choose(false);
      else if (stays) look();
      else choose(true);
    },
    title: 'Look at the place of the cross again, as large as the network can see it',
  }, HERE);
  const without = make('button', {
    type: 'button', class: 'errseg-kind', title: 'Without the closer look', onclick: () => ask(''),
  }, 'Without it');

  function look() {
    choose(false);
    ask(window.errseg.point.map((share) => share.toFixed(4)).join(','));
  }

  function choose(isOn) {
    chosen = isOn ? (isPlace = true) => (isPlace ? look() : choose(false)) : null;
    here.setAttribute('aria-pressed', String(isOn));
    here.textContent = isOn ? CHOOSE : HERE;
    if (isOn) say(`${CHOOSE} in the picture.`);
  }

  choose(false); // buttons of an answer before are gone
  showIf(without, Boolean(part), here);
  return make('div', {class: 'errseg-closer'}, here, without);
};
})();
