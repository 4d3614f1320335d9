// Stands in for Gradio in the file that a result is taken away as. A panel's script is a function
// of its element, whose data stand in it already, and of what tells a server of a click.

window.errsegStandalone = (name, draw) => {
  const note = document.getElementById('errseg-standalone-note');
  const sentences = {
    masks: 'This file has the attention of one pixel, the one with the cross.',
    ranking: "Choose a kept class in the attention panel for its cost maps; those of dropped ones aren't in this file.",
  };

  function trigger() {
    note.textContent = sentences[name] ?? 'This file has what was computed; the demo computes more.';
    note.hidden = false;
    // The cross goes back to the pixel that there is something to see of.
    document.dispatchEvent(new CustomEvent('errseg'));
  }

  draw(document.getElementById(`errseg-${name}`).firstElementChild, trigger);
};
