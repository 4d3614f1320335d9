// Draws nothing: hands the queries and keys that the server sent to the attention panel, which may
// be drawn before or after them.

const {follow, numbers} = window.errsegHelpers;

follow(element, (data) => {
  const before = window.errseg?.queries;
  if (data.of == null) { // a refusal, of what is shown now
    window.errseg = {...window.errseg, queries: {of: null, classes: new Map(), ...before, message: data.message}};
    return document.dispatchEvent(new CustomEvent('errseg-queries'));
  }
  const same = before?.of === data.of;
  const classes = new Map(same ? before.classes : []);
  for (const sent of data.classes ?? []) classes.set(sent.index, {...classes.get(sent.index), ...sent});
  const between = data.between_without ? numbers(data.between_without) : same ? before.between : null;
  window.errseg = {...window.errseg, queries: {of: data.of, classes, between, message: ''}};
  return document.dispatchEvent(new CustomEvent('errseg-queries'));
});
