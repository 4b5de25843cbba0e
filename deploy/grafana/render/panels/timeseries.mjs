// Lines, stacks and bars over time, with a legend of the values that the panel selects.

import { fieldOf } from "../dashboard.mjs";
import { PALETTE, THEME, escape, path, rect, svg, text } from "../svg.mjs";
import { named, reduce, show } from "../value.mjs";
import { domainOf, layout, timeAxis, valueAxis } from "./axes.mjs";

const LEGEND_ROW = 19;

/** Draws a time series panel of `{ name, points }` series. */
export function timeseries(panel, series, size) {
  const drawn = series.map((one, index) => prepare(panel, one, index));
  if (isStacked(panel)) stack(drawn, size.window);
  const { legend } = panel.options;
  const beside = legend.placement === "right";
  const side = beside ? Math.min(legendWidth(drawn, legend), size.width * 0.45) : 0;
  const below = beside ? 0 : LEGEND_ROW * Math.min(2, Math.ceil(listWidth(drawn) / size.width));
  const plot = plotOf(panel, drawn, { ...size, width: size.width - side, height: size.height - below });
  return `<div class="${beside ? "beside" : "below"}">${plot}${legendOf(drawn, legend, side, below)}</div>`;
}

function prepare(panel, { name, points, exemplars = [] }, index) {
  const field = fieldOf(panel, name);
  const color = field.color.mode === "fixed" ? named(field.color.fixedColor) : PALETTE[index % PALETTE.length];
  return { name, points, exemplars, field, color, base: () => 0, right: field.custom.axisPlacement === "right" };
}

function isStacked(panel) {
  return panel.fieldConfig.defaults.custom.stacking.mode === "normal";
}

/** Puts each series on top of the ones before it; what has no value adds nothing. */
function stack(drawn) {
  const sums = new Map();
  for (const one of drawn) {
    const below = new Map(sums);
    one.base = (time) => below.get(time) ?? 0;
    one.own = one.points;
    one.points = one.points.map(([time, value]) => [time, one.base(time) + (Number.isFinite(value) ? value : 0)]);
    for (const [time, value] of one.points) sums.set(time, value);
  }
}

function plotOf(panel, drawn, { width, height, window, step }) {
  const axes = ["left", "right"].map((side) => axisOf(panel, drawn.filter((one) => one.right === (side === "right")), side));
  const [main, second] = axes;
  const frame = layout({ width, height, window, right: second ? 64 : 12, domain: main.domain });
  const other = second && layout({ width, height, window, right: 64, domain: second.domain });
  const content = [...timeAxis(frame, window), ...valueAxis(frame, main.domain, main.field)];
  if (second) content.push(...valueAxis(other, second.domain, second.field, "right"));
  content.push(...limits(panel, frame, main.domain));
  const lines = drawn.flatMap((one) => draw(one, one.right ? other : frame, step));
  content.push(clipped(frame.box, lines));
  if (drawn.length === 0) content.push(text(width / 2, height / 2, "No data", { anchor: "middle", size: 13 }));
  return svg(width, height, content);
}

/** What is beyond the axis is not drawn. */
function clipped({ x, y, width, height }, content) {
  return `<svg x="${x}" y="${y - 4}" width="${width}" height="${height + 8}" viewBox="${x} ${y - 4} ${width} ${height + 8}">${content.join("")}</svg>`;
}

function axisOf(panel, drawn, side) {
  if (side === "right" && drawn.length === 0) return undefined;
  const field = drawn[0]?.field ?? panel.fieldConfig.defaults;
  const values = drawn.flatMap((one) => [...one.points, ...one.exemplars].map(([, value]) => value));
  return { field, domain: domainOf(field, values) };
}

function limits(panel, { box, y }, [low, high]) {
  const { custom, thresholds } = panel.fieldConfig.defaults;
  if (custom.thresholdsStyle.mode === "off") return [];
  return thresholds.steps
    .filter(({ value }) => value !== null && value >= low && value <= high)
    .map(({ value, color }) => path(`M${box.x} ${y(value)}H${box.x + box.width}`, named(color), 'stroke-dasharray="6 4"'));
}

function draw(one, frame, step) {
  const { custom } = one.field;
  if (custom.drawStyle === "bars") return bars(one, frame, step);
  const parts = [];
  for (const run of runs(one.points, step)) {
    const line = run.map(([time, value]) => `${frame.x(time).toFixed(1)} ${frame.y(value).toFixed(1)}`).join("L");
    const back = [...run].reverse().map(([time]) => `${frame.x(time).toFixed(1)} ${frame.y(one.base(time)).toFixed(1)}`).join("L");
    if (custom.fillOpacity > 0) parts.push(`<path d="M${line}L${back}Z" fill="${one.color}" fill-opacity="${custom.fillOpacity / 100}"/>`);
    const dash = custom.lineStyle?.fill === "dash" ? `stroke-dasharray="${custom.lineStyle.dash.join(" ")}"` : "";
    if (run.length === 1) parts.push(`<circle cx="${frame.x(run[0][0]).toFixed(1)}" cy="${frame.y(run[0][1]).toFixed(1)}" r="2" fill="${one.color}"/>`);
    else parts.push(path(`M${line}`, one.color, `stroke-width="${custom.lineWidth}" stroke-linejoin="round" ${dash}`));
  }
  for (const [time, value] of one.exemplars) parts.push(diamond(frame.x(time), frame.y(value)));
  return parts;
}

function bars(one, frame, step) {
  const width = Math.max((frame.x(step) - frame.x(0)) * one.field.custom.barWidthFactor, 1);
  return one.points
    .filter(([time, value]) => value > one.base(time))
    .map(([time, value]) => rect(frame.x(time) - width / 2, frame.y(value), width, frame.y(one.base(time)) - frame.y(value), one.color, `fill-opacity="0.85"`));
}

/** Unbroken stretches: a missing point is a gap, never a line across it. */
function runs(points, step) {
  const all = [];
  let last = -Infinity;
  for (const point of points) {
    if (!Number.isFinite(point[1])) continue;
    if (point[0] - last > step * 1.5) all.push([]);
    all.at(-1).push(point);
    last = point[0];
  }
  return all;
}

function diamond(x, y) {
  return `<path d="M${x} ${y - 4}l4 4l-4 4l-4 -4Z" fill="#5794F2" stroke="${THEME.panel}"/>`;
}

function legendWidth(drawn, legend) {
  const longest = Math.max(0, ...drawn.map(({ name }) => name.length));
  return 40 + longest * 6.4 + legend.calcs.length * 64;
}

function listWidth(drawn) {
  return 8 + drawn.reduce((all, { name }) => all + 32 + name.length * 6.4, 0);
}

function legendOf(drawn, legend, width, height) {
  const headings = { lastNotNull: "Last", min: "Min", max: "Max", mean: "Mean", sum: "Total" };
  const swatch = ({ color }) => `<i style="background:${color}"></i>`;
  if (legend.displayMode === "list") return `<div class="legend" style="height:${height}px">${drawn.map((one) => `<span>${swatch(one)}${escape(one.name)}</span>`).join("")}</div>`;
  const head = legend.calcs.map((calc) => `<th>${headings[calc]}</th>`).join("");
  const rows = drawn.map((one) => {
    const cells = legend.calcs.map((calc) => `<td>${escape(show(one.field, reduce(calc, one.own ?? one.points)))}</td>`).join("");
    return `<tr><td class="name">${swatch(one)}${escape(one.name)}</td>${cells}</tr>`;
  });
  return `<div class="legend table" style="width:${width}px"><table><tr><th class="name"></th>${head}</tr>${rows.join("")}</table></div>`;
}
