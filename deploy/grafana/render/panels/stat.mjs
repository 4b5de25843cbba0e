// One number, large; or several, side by side.

import { fieldOf } from "../dashboard.mjs";
import { escape, fit, scale, svg } from "../svg.mjs";
import { colorOf, inkOn, reduce, show } from "../value.mjs";

/** Draws a stat panel. */
export function stat(panel, series, { width, height }) {
  const shown = series.length ? series : [{ name: "", points: [[0, NaN]] }];
  const columns = Math.min(shown.length, Math.max(1, Math.floor(width / 170)));
  const cell = { width: width / columns, height: height / Math.ceil(shown.length / columns) };
  return `<div class="stats" style="grid-template-columns:repeat(${columns},1fr)">${shown.map((one) => number(panel, one, cell)).join("")}</div>`;
}

function number(panel, { name, points }, { width, height }) {
  const { colorMode, graphMode, textMode, reduceOptions } = panel.options;
  const field = fieldOf(panel, name);
  const value = reduce(reduceOptions.calcs[0], points);
  const color = colorOf(field, value);
  const filled = colorMode === "background" && color !== "transparent";
  const word = show(field, value);
  const named = textMode === "value_and_name" && name;
  const size = Math.max(15, Math.min(44, height * (named ? 0.3 : 0.5), (width - 20) / (word.length * 0.58)));
  const spark = graphMode === "area" && points.length > 1 ? sparkline(points, width, height * 0.4, color) : "";
  const style = filled ? `background:${color};color:${inkOn(color)}` : `color:${color === "transparent" ? "#CCCCDC" : color}`;
  const label = named ? `<small>${escape(fit(name, width - 16, 12))}</small>` : "";
  return `<div class="stat" style="${style}">${label}<b style="font-size:${size}px">${escape(word)}</b>${spark}</div>`;
}

function sparkline(points, width, height, color) {
  const finite = points.filter(([, value]) => Number.isFinite(value));
  const values = finite.map(([, value]) => value);
  const x = scale([finite[0][0], finite.at(-1)[0]], [0, width]);
  const y = scale([Math.min(...values, 0), Math.max(...values) * 1.1 || 1], [height, 0]);
  const line = finite.map(([time, value]) => `${x(time).toFixed(1)} ${y(value).toFixed(1)}`).join("L");
  return `<div class="spark">${svg(width, height, [`<path d="M${line}L${width} ${height}L0 ${height}Z" fill="${color}" fill-opacity="0.18"/>`, `<path d="M${line}" stroke="${color}" fill="none"/>`])}</div>`;
}
