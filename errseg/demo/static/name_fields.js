() => setTimeout(() => {
  // Gradio's label of a text with a copy button is the button's, which comes first.
  document.querySelector("#errseg-command textarea, #errseg-command input")
    ?.setAttribute("aria-label", "Command");
})
