// On a phone what stands in the row behind it is folded until this button is pressed (see style.css).
const button = element.querySelector('button');
button.addEventListener('click', () => {
  button.setAttribute('aria-expanded', String(button.getAttribute('aria-expanded') !== 'true'));
});
