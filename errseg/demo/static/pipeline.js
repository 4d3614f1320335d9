// The paper's figure, live: the best class of each pixel after HSM, CRM, ESCF and GUD, side by side.
// Asked for when the fold is opened, and anew for each answer while it is open; of another threshold
// only the masks are sent.

const {make, follow, afterPaint, numbers, pixels, percent, css} = window.errsegHelpers;
const {NO_CLASS, greyAt, noneAt, labelsOf} = window.errsegMasks;

const OPACITY = 0.6;
const SMALL = 300; // pixels of a side
const MOST_NAMED = 14;
let isOpen = false; // kept over answers
let turn = 0; // comes back with the stages: the same ones, sent again, are drawn again
let onNews = () => {};
document.addEventListener('errseg', () => onNews());

follow(element, (data, root) => {
  let asked = data.stages.length > 0;
  let question = window.errseg?.question;
  const strip = make('div', {class: 'errseg-pipeline'});
  const fold = make('details', {
    class: 'errseg-panel errseg-pipeline-fold', open: isOpen,
    ontoggle: () => { isOpen = fold.open; ask(); },
  }, make('summary', {}, 'Pipeline: what HSM, CRM, ESCF and GUD each make of it'), strip);

  function ask() {
    if (!isOpen || asked) return;
    asked = true;
    strip.replaceChildren(make('p', {class: 'errseg-hint', role: 'status'}, 'On its way …'));
    afterPaint(() => trigger('select', {turn: ++turn, of: data.of ?? ''}));
  }

  /** The classes of one stage over the photo, at most `side` pixels wide and high. */
  function draw(stage, photo, side) {
    const scale = Math.min(1, side / Math.max(photo.naturalWidth, photo.naturalHeight));
    const width = Math.max(1, Math.round(photo.naturalWidth * scale));
    const height = Math.max(1, Math.round(photo.naturalHeight * scale));
    const canvas = make('canvas', {width, height, role: 'img', 'aria-label': `${stage.name}: ${stage.line}`});
    const context = canvas.getContext('2d');
    context.drawImage(photo, 0, 0, width, height);
    const image = context.getImageData(0, 0, width, height);
    const {rows, columns, labels} = stage;
    const at = (x, y) =>
      labels[Math.floor((y * rows) / height) * columns + Math.floor((x * columns) / width)];
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const p = 4 * (y * width + x);
        const label = at(x, y);
        const edge = (x + 1 < width && at(x + 1, y) !== label) || (y + 1 < height && at(x, y + 1) !== label);
        const grey = greyAt(image.data, p);
        for (let c = 0; c < 3; c++) {
          const tint = label === NO_CLASS ? noneAt(grey) : data.colors[label][c];
          image.data[p + c] = edge ? 255 : (1 - OPACITY) * grey + OPACITY * tint;
        }
      }
    }
    context.putImageData(image, 0, 0);
    return canvas;
  }

  function words(stage) {
    const named = stage.legend.slice(0, MOST_NAMED).map(([index, share]) => make('li', {},
      make('i', {class: 'errseg-swatch', style: `background:${css(data.colors[index])}`, 'aria-hidden': 'true'}),
      `${data.names[index]} ${percent(share)}`));
    const more = stage.legend.length - MOST_NAMED;
    return make('ul', {class: 'errseg-large-words'}, ...named,
      more > 0 ? make('li', {}, `and ${more} more`) : null);
  }

  async function show() {
    const stages = await Promise.all([...data.stages, data.masks].map(async (stage) => {
      const [rows, columns, labels] = await grid(stage.labels);
      return {...stage, rows, columns, labels};
    }));
    const photo = window.errseg?.photo;
    if (!photo) return; // told of a moment later, see `onNews`
    const items = stages.map((stage) => ({
      title: `${stage.name}: ${stage.title}`, line: stage.line,
      draw: () => draw(stage, photo, Infinity), below: words(stage),
    }));
    const small = (stage) => {
      const canvas = draw(stage, photo, SMALL);
      canvas.setAttribute('aria-hidden', 'true'); // the button's words say it
      return canvas;
    };
    strip.replaceChildren(...stages.map((stage, place) => make('button', {
      type: 'button', title: 'Show it large',
      onclick: () => window.errsegLarge(root, items, place),
    }, small(stage),
    make('b', {}, stage.name), make('span', {}, `${stage.title}: ${count(stage.legend.length)}`),
    make('small', {}, stage.line))));
  }

  onNews = () => {
    const now = window.errseg.question;
    if (now === question) {
      if (data.stages.length && !strip.querySelector('canvas')) show();
      return;
    }
    question = now; // what is drawn here is of the question before
    asked = false;
    strip.replaceChildren();
    ask();
  };
  root.replaceChildren(fold);
  if (data.stages.length) show();
  else ask();
}, undefined, () => trigger('select', {turn: ++turn, of: ''}));

const count = (classes) => `${classes} ${classes === 1 ? 'class' : 'classes'}`;

/** Labels as rows, columns and a list: packed where they are few, a picture where they are many. */
async function grid(sent) {
  if (typeof sent !== 'string') {
    const {shape, values} = numbers(sent);
    return [...shape, values];
  }
  const picture = await pixels(sent);
  return [picture.height, picture.width, labelsOf(picture)];
}
