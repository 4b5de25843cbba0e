// The frame of a panel with a time axis.

import { THEME, path, scale, text, ticks, timeTicks } from "../svg.mjs";
import { show } from "../value.mjs";

/** Places for what is drawn: the plot's box, and maps from time and value to pixels. */
export function layout({ width, height, window, left = 58, right = 12, bottom = 22, domain }) {
  const box = { x: left, y: 8, width: width - left - right, height: height - 8 - bottom };
  return {
    box,
    x: scale([window.start, window.end], [box.x, box.x + box.width]),
    y: domain && scale(domain, [box.y + box.height, box.y]),
  };
}

export function timeAxis({ box, x }, window) {
  const base = box.y + box.height;
  return timeTicks(window.start, window.end, box.width / 80).flatMap(([time, label]) => [
    path(`M${x(time)} ${box.y}V${base}`, THEME.grid),
    text(x(time), base + 15, label, { anchor: "middle" }),
  ]);
}

export function valueAxis({ box, y }, domain, field, side = "left") {
  return ticks(...domain, Math.max(2, box.height / 36), field).flatMap((value) => [
    side === "left" ? path(`M${box.x} ${y(value)}H${box.x + box.width}`, THEME.grid) : "",
    side === "left"
      ? text(box.x - 6, y(value) + 4, show({ ...field, mappings: [] }, clean(value)), { anchor: "end" })
      : text(box.x + box.width + 6, y(value) + 4, show({ ...field, mappings: [] }, clean(value))),
  ]);
}

/** From the lowest to the highest value, rounded outwards, within what the field fixes. */
export function domainOf(field, values) {
  const finite = values.filter(Number.isFinite);
  const low = field.min ?? Math.min(...finite, 0);
  const high = field.max ?? Math.max(...finite, low);
  const top = high > low ? high : low + 1;
  const marks = ticks(low, top, 4, field);
  const step = marks.length > 1 ? marks[1] - marks[0] : 1;
  return [field.min ?? Math.floor(low / step) * step, field.max ?? Math.ceil(top / step - 1e-9) * step];
}

function clean(value) {
  return Number(value.toPrecision(12));
}
