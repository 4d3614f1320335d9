// Gradio's own pieces of the page, which have no options for this, tell who listens what they show.
// Where Gradio makes a piece anew, it is mended anew.

(() => {
const PAUSE = 100; // milliseconds from a change of the page to the look at what it made

function put(element, name, value) {
  if (element && element.getAttribute(name) !== value) element.setAttribute(name, value);
}

const {say} = window.errsegSpeech;
const words = (element) => element?.textContent.trim().replace(/\s+/g, ' ') ?? '';
const hide = (element) => put(element, 'aria-hidden', 'true');

const MENDED = {
  'button.label-wrap': (button) => { // a fold; its arrow is read as "black down-pointing triangle"
    put(button, 'aria-expanded', String(button.classList.contains('open')));
    hide(button.querySelector('.icon'));
  },
  ':is(input[type=range], input[type=number])[aria-label]': (input) => // "range slider for Keep (P)"
    put(input, 'aria-label', input.getAttribute('aria-label').replace(/^(number input|range slider) for /, '')),
  '[role=combobox] ~ .icon-wrap svg': hide,
  'footer img': (image) => put(image, 'alt', ''), // the words beside it say the same
  '.sr-only[role=status]': hide, // "common.complete", a name that Gradio fails to translate
  '[role=tab][aria-controls=""]': (tab) => tab.removeAttribute('aria-controls'),
  '[role=tabpanel]': (panel) => {
    const tab = [...panel.parentElement.querySelectorAll('[role=tab]')].find((one) => one.ariaSelected === 'true');
    if (tab && panel.checkVisibility()) put(panel, 'aria-label', words(tab));
  },
  '.overflow-menu > button': (button) => put(button, 'aria-expanded', String(button.nextElementSibling?.checkVisibility())),
  'button[aria-dropeffect]': (button) => {
    const label = words(button.parentElement.querySelector('[data-testid=block-label]'));
    button.removeAttribute('aria-dropeffect');
    put(button, 'aria-label', `${words(button)}: ${label}`);
  },
  'a.download-link': (link) => // "179.3 KB"
    put(link, 'aria-label', `${words(link)}: ${decodeURIComponent(link.href.split('/').at(-1))}`),
  '#errseg-files': (place) => { // they come to a place that was empty
    const files = [...place.querySelectorAll('a.download-link')].map(({href}) => href);
    if (!files.length || place.dataset.said === String(files)) return;
    place.dataset.said = String(files);
    say(`${files.length} files are ready.`);
  },
  '.empty[aria-label]': (nothing) => put(nothing, 'role', 'img'),
  // The label of a text with a copy button is the button's, which comes first.
  '#errseg-command textarea': (field) => put(field, 'aria-label', 'Command'),
  '#errseg-command button[aria-label=Copy]': (button) => put(button, 'aria-label', 'Copy the command'),
  '#errseg-compare-outcome': (place) => put(place, 'role', 'status'),
};

function mend() {
  for (const [css, change] of Object.entries(MENDED)) document.querySelectorAll(css).forEach(change);
}

let due = null;
function soon() {
  due ??= setTimeout(() => {
    due = null;
    mend();
  }, PAUSE);
}
new MutationObserver(soon).observe(document.documentElement, {
  childList: true, subtree: true, attributeFilter: ['class', 'aria-selected'],
});

/** Tabs are a row that arrow keys go along. */
document.addEventListener('keydown', (event) => {
  const tab = event.target.closest?.('[role=tab]');
  if (!tab || event.ctrlKey || event.altKey || event.metaKey) return;
  const row = [...tab.closest('[role=tablist]').querySelectorAll('[role=tab]')];
  const place = row.indexOf(tab);
  const to = {ArrowLeft: place - 1, ArrowRight: place + 1, Home: 0, End: row.length - 1}[event.key];
  if (to === undefined) return;
  event.preventDefault();
  const next = row.at(to % row.length);
  next.focus();
  next.click();
});
})();
