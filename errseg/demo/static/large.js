// One of several pictures, large: a dialog over the page, with what the picture is, and the ones
// before and after it. Escape closes it, arrow keys go on, and the focus comes back.

window.errsegLarge = (() => {
const {make} = window.errsegHelpers;

/** Open items[start]; each is {title, line, draw: () => element, below: element or nothing}. The
 * dialog stands behind `beside`, whose styles it has. */
function open(beside, items, start) {
  let place = start;
  const title = make('h2', {});
  const line = make('p', {class: 'errseg-hint'});
  const shown = make('div', {class: 'errseg-large-shown', 'aria-live': 'polite'});
  const step = (by, sign, name) => make('button', {
    type: 'button', class: 'errseg-kind', 'aria-label': name, title: name, onclick: () => go(by),
  }, sign);
  const [before, after] = [step(-1, '←', 'Picture before'), step(1, '→', 'Next picture')];
  const close = make('button', {
    type: 'button', class: 'errseg-kind', onclick: () => dialog.close(),
  }, 'Close');
  const dialog = make('dialog', {
    class: 'errseg-large errseg-panel',
    onclose: () => dialog.remove(),
    onclick: (event) => { if (event.target === dialog) dialog.close(); }, // beside the picture
    onkeydown: (event) => {
      const by = {ArrowLeft: -1, ArrowRight: 1}[event.key];
      if (!by) return;
      event.preventDefault();
      event.stopPropagation();
      go(by);
    },
  }, make('div', {class: 'errseg-large-page'},
    make('div', {class: 'errseg-large-bar'}, title, before, after, close), line, shown));

  function go(by) {
    const next = place + by;
    if (next < 0 || next >= items.length) return;
    place = next;
    show();
  }

  function show() {
    const item = items[place];
    title.textContent = item.title;
    dialog.setAttribute('aria-label', item.title);
    line.textContent = item.line ?? '';
    shown.replaceChildren(item.draw(), ...(item.below ? [item.below] : []));
    before.hidden = after.hidden = items.length < 2;
    before.disabled = place === 0;
    after.disabled = place === items.length - 1;
  }

  show();
  beside.after(dialog);
  dialog.showModal();
  close.focus();
}

return open;
})();
