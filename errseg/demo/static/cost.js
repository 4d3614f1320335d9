// Below the CRM panel: the cost maps of one class, on one scale.

const {make, follow, numbers, heatMap, scaleBar} = window.errsegHelpers;
const {say} = window.errsegSpeech;

follow(element, (data, root) => {
  const maps = data.maps.map(numbers);
  const range = [Math.min(...maps.map((m) => m.range[0])), Math.max(...maps.map((m) => m.range[1]))];
  root.replaceChildren(make('section', {class: 'errseg-panel'},
    make('h2', {}, `Cost maps of ${data.name}`),
    make('div', {class: 'errseg-heats'}, ...maps.map((map, place) =>
      heatMap(`Likeness to '${data.name}' (cost map, ${[16, 32][place]} px)`, map.values, map.shape, range))),
    scaleBar(['cosine', range, 2])));
  say(`The cost maps of ${data.name} are below the list.`);
});
