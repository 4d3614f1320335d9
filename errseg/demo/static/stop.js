// A button that says Stop stops: its press goes to the hidden button that ends the question.

document.addEventListener('click', (event) => {
  const button = event.target.closest?.('button[id$="-run"]');
  if (button?.textContent.trim() !== 'Stop') return;
  event.stopImmediatePropagation();
  event.preventDefault();
  document.getElementById(button.id.replace(/run$/, 'stop')).click();
}, true);
