// One band per series, coloured by its state.

import { fieldOf } from "../dashboard.mjs";
import { escape, fit, rect, svg, text, THEME } from "../svg.mjs";
import { colorOf } from "../value.mjs";
import { layout, timeAxis } from "./axes.mjs";

/** Draws a state timeline. */
export function timeline(panel, series, { width, height, window, step }) {
  const left = Math.min(240, 24 + Math.max(0, ...series.map(({ name }) => name.length)) * 6.8);
  const frame = layout({ width, height: height - 20, window, left });
  const pitch = frame.box.height / Math.max(series.length, 1);
  const thickness = Math.min(pitch * panel.options.rowHeight, 40);
  const content = timeAxis(frame, window);
  series.forEach(({ name, points }, index) => {
    const y = frame.box.y + pitch * (index + 0.5) - thickness / 2;
    content.push(text(left - 10, y + thickness / 2 + 4, fit(name, left - 14), { anchor: "end", fill: THEME.text }));
    for (const [from, to, value] of spells(points, step)) {
      const x = frame.x(Math.max(from, window.start));
      content.push(rect(x, y, frame.x(Math.min(to, window.end)) - x, thickness, colorOf(fieldOf(panel, name), value), 'fill-opacity="0.9"'));
    }
  });
  return svg(width, height - 20, content) + legend(panel);
}

/** Stretches of one value: `[from, to, value]`. Where there is no point there is no stretch. */
function spells(points, step) {
  const all = [];
  for (const [time, value] of points) {
    const last = all.at(-1);
    if (last && last[2] === value && time - last[1] < step * 0.5) last[1] = time + step;
    else all.push([time, time + step, value]);
  }
  return all;
}

function legend(panel) {
  const states = panel.fieldConfig.defaults.mappings.flatMap(({ options }) => Object.values(options));
  return `<div class="legend">${states.map(({ text: name, color }) => `<span><i style="background:${color}"></i>${escape(name)}</span>`).join("")}</div>`;
}
