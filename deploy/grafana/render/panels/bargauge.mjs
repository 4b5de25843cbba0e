// One bar per series, from the field's minimum to its maximum.

import { fieldOf } from "../dashboard.mjs";
import { THEME, fit, rect, scale, svg, text } from "../svg.mjs";
import { colorOf, reduce, show } from "../value.mjs";

/** Draws a horizontal bar gauge. */
export function bargauge(panel, series, { width, height }) {
  if (series.length === 0) return svg(width, height, [text(width / 2, height / 2, "No data", { anchor: "middle", size: 13 })]);
  const left = Math.min(width * 0.5, 24 + Math.max(...series.map(({ name }) => name.length)) * 6.6);
  const shown = ({ name, points }) => show(fieldOf(panel, name), reduce(panel.options.reduceOptions.calcs[0], points));
  const right = 16 + Math.max(...series.map((one) => shown(one).length)) * 8;
  const pitch = Math.min(height / series.length, panel.options.maxVizHeight + 8);
  const content = series.flatMap(({ name, points }, index) => {
    const field = fieldOf(panel, name);
    const value = reduce(panel.options.reduceOptions.calcs[0], points);
    const x = scale([field.min, field.max], [left, width - right]);
    const y = index * pitch + pitch * 0.15;
    const end = x(Math.min(Math.max(Number.isFinite(value) ? value : field.min, field.min), field.max));
    return [
      text(left - 10, y + pitch * 0.35 + 4, fit(name, left - 12), { anchor: "end", fill: THEME.text }),
      rect(left, y, width - right - left, pitch * 0.7, THEME.grid),
      rect(left, y, end - left, pitch * 0.7, colorOf(field, value), 'fill-opacity="0.85"'),
      text(width - right + 8, y + pitch * 0.35 + 4, show(field, value), { fill: colorOf(field, value), size: 13, weight: 600 }),
    ];
  });
  return svg(width, height, content);
}
