// The one cross of the page: it follows pointer, finger and arrow keys on every picture of the photo,
// and a click pins it. Places are [x, y] as shares of the photo; moving it asks and draws nothing but
// what listens to the event `errseg-point`, which tells whether it was moved by keys.

window.errsegPointer = (() => {
const {make} = window.errsegHelpers;
const LAST = 0.9999; // within the last pixel
const STEP = 1 / 48; // of a side, for an arrow key
const SLOP = 8; // pixels that a finger goes sideways before it draws the cross: it may scroll

const clamped = (share) => Math.min(Math.max(share, 0), LAST);
const pinned = () => Boolean(window.errseg?.pinned);

function set(point, isPinned, byKeys = false) {
  window.errseg = {...window.errseg, point, pinned: isPinned};
  document.dispatchEvent(new CustomEvent('errseg-point', {detail: {byKeys}}));
}

/** Point somewhere; while a place is pinned it stays. */
function pointAt(point) {
  if (!pinned()) set(point, false);
}

/** Pin a place, or let go of the one that is pinned. */
function pin(point, byKeys = false) {
  set(pinned() ? window.errseg.point : point, !pinned(), byKeys);
}

function unpin(byKeys = false) {
  if (pinned()) set(window.errseg.point, false, byKeys);
}
document.addEventListener('keydown', (event) => { if (event.key === 'Escape') unpin(true); });

/** Where an event is on a picture, as shares of it; beyond its rim below 0 or above 1. */
function placeOn(event, picture) {
  const box = picture.getBoundingClientRect();
  return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
}

/** Let pointer, finger and keys on a picture of the whole photo move the cross. */
function pointsOn(picture) {
  const place = (event) => placeOn(event, picture).map(clamped);
  picture.setAttribute('role', 'application'); // of an image screen readers keep the arrow keys
  picture.style.touchAction = 'pan-y'; // a finger that starts sideways draws the cross along
  let from = 0; // where a finger came down
  const isFinger = ({pointerType}) => pointerType === 'touch';
  picture.addEventListener('pointerdown', (event) => { from = event.clientX; });
  picture.addEventListener('pointermove', (event) => {
    if (!isFinger(event)) pointAt(place(event));
    else if (Math.abs(event.clientX - from) > SLOP) set(place(event), false);
  });
  // A finger never hovers: each tap means the place that it is at.
  picture.addEventListener('click', (event) => (isFinger(event) ? set(place(event), true) : pin(place(event))));
  picture.addEventListener('keydown', (event) => {
    const way = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]}[event.key];
    if (!way && event.key !== 'Enter') return;
    event.preventDefault();
    const at = window.errseg?.point ?? [0.5, 0.5];
    if (way) set(at.map((share, axis) => clamped(share + STEP * way[axis])), pinned(), true);
    else pin(at, true);
  });
}

/** A cross over a picture that fills its parent: it follows by itself, as long as it is on the page. */
function crossOver() {
  const cross = make('i', {class: 'errseg-cross', 'aria-hidden': 'true'});
  const move = () => {
    if (cross.wasThere && !cross.isConnected) return document.removeEventListener('errseg-point', move);
    cross.wasThere ||= cross.isConnected;
    const point = window.errseg?.point;
    cross.hidden = !point;
    if (!point) return undefined;
    cross.classList.toggle('pinned', pinned());
    cross.style.left = `${100 * point[0]}%`;
    cross.style.top = `${100 * point[1]}%`;
    return undefined;
  };
  document.addEventListener('errseg-point', move);
  move();
  return cross;
}

return {clamped, placeOn, pointAt, pin, unpin, pointsOn, crossOver};
})();
