// The link to what is shown: whole, copied by one click, and kept in the address bar. The server
// tells its query; the rest is the address at which the page was opened, also behind a proxy.

const {make, follow} = window.errsegHelpers;

const SPACES = 'https://huggingface.co'; // shows a Space's page in a frame, under an address of its own
const HOST = /^(localhost|127\.|\[::1\])/;

let onNews = () => {};
document.addEventListener('errseg', () => onNews());

follow(element, (data, root) => {
  const [own, foreign] = parameters();
  const names = new URLSearchParams(own);
  const opened = ['example', 'classes', 'vocabulary'].some((name) => names.has(name));
  let link = opened ? {query: `?${own}`, note: ''} : data; // until the first answer tells its own
  const field = make('input', {
    type: 'text', readonly: true, 'aria-label': 'Link',
    onfocus: () => field.select(),
  });
  const button = make('button', {type: 'button', class: 'errseg-kind', onclick: copy}, 'Copy link');
  const said = make('span', {class: 'errseg-hint', role: 'status'});

  function show() {
    field.value = link.query && location.origin + location.pathname + link.query;
    field.hidden = button.hidden = !link.query;
    say('');
  }

  function say(sentence) {
    const here = link.query && HOST.test(location.hostname) ? 'It leads to a page on this machine only.' : '';
    const news = [sentence, link.note, here].filter(Boolean).join(' ');
    if (news !== said.textContent) said.textContent = news; // else it would be read out again
  }

  async function copy() {
    try {
      await navigator.clipboard.writeText(field.value);
    } catch { // not over plain HTTP, nor in some frames
      field.select();
      if (!document.execCommand('copy')) {
        say('The browser keeps this page from copying; press Ctrl+C.');
        return;
      }
      button.focus();
    }
    say('Copied.');
  }

  /** Part the address's query in what a link says and Gradio's own parameters, or a Space's. Those
   * begin with two underscores; they stay in the address bar and out of the link: one of them opens
   * private Spaces. */
  function parameters() {
    const given = location.search.slice(1).split('&');
    return [false, true].map((isForeign) =>
      given.filter((one) => one.startsWith('__') === isForeign).join('&'));
  }

  function keepInAddressBar() {
    const query = [link.query.slice(1), foreign].filter(Boolean).join('&');
    history.replaceState(history.state, '', location.pathname + (query && `?${query}`) + location.hash);
    if (window.parent === window) return;
    const around = location.ancestorOrigins?.[0] ?? document.referrer.split('/', 3).join('/');
    if (around === SPACES) window.parent.postMessage({queryString: link.query.slice(1)}, SPACES);
  }

  onNews = () => {
    const told = window.errseg?.question?.link;
    if (!told || told === link) return;
    link = told;
    show();
    keepInAddressBar();
  };
  show();
  root.replaceChildren(make('div', {class: 'errseg-link'}, button, field, said));
  onNews();
});
