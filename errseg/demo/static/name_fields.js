() => setTimeout(() => {
  // Gradio's label of a text with a copy button is the button's, which comes first.
  for (const [id, name] of [["errseg-link", "Link"], ["errseg-command", "Command"]])
    document.querySelector(`#${id} textarea, #${id} input`)?.setAttribute("aria-label", name);
})
