// Stands in for Gradio in the file that a result is taken away as. A panel's script is a function
// of its element, whose data stand in it already, and of what tells a server of a click.

window.errsegStandalone = (name, draw) => {
  const note = document.getElementById('errseg-standalone-note');
  const sentences = {
    attention: 'This file has the attention of the classes that fit in it, the largest ones; the demo computes the others.',
    ranking: "Choose a kept class in the attention panel for its cost maps; those of dropped ones aren't in this file.",
  };

  function trigger(event) {
    if (event === 'select' && name !== 'ranking') return; // nobody has to be told of a pinned pixel
    note.textContent = sentences[name] ?? 'This file has what was computed; the demo computes more.';
    note.hidden = false;
  }

  draw(document.getElementById(`errseg-${name}`).firstElementChild, trigger);
};
