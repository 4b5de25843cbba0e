// The number of runs per bucket of a classic histogram, over time.

import { rect, svg, text } from "../svg.mjs";
import { show } from "../value.mjs";
import { layout, timeAxis } from "./axes.mjs";

const SHADES = ["#3A2A1E", "#6B3A15", "#A34E0E", "#D9680B", "#FF8E2B", "#FFB870", "#FFE0B8"];

/** Draws a heatmap of series that are cumulative buckets by their label `le`. */
export function heatmap(panel, series, { width, height, window, step }) {
  const rows = used(buckets(series));
  const frame = layout({ width, height, window });
  const pitch = frame.box.height / Math.max(rows.length, 1);
  const most = Math.max(1, ...rows.flatMap(({ counts }) => [...counts.values()]));
  const content = timeAxis(frame, window);
  rows.forEach(({ le, counts }, index) => {
    const y = frame.box.y + frame.box.height - (index + 1) * pitch;
    const label = Number.isFinite(le) ? show({ unit: panel.options.yAxis.unit }, le) : "∞";
    content.push(text(frame.box.x - 6, y + 4, label, { anchor: "end" }));
    for (const [time, count] of counts) {
      if (count < 0.01) continue;
      const x = Math.max(frame.x(time - step), frame.box.x);
      const shade = SHADES[Math.min(SHADES.length - 1, Math.floor((count / most) ** 0.5 * SHADES.length))];
      content.push(rect(x + 0.5, y + 0.5, frame.x(time) - x - 1, pitch - 1, shade));
    }
  });
  return svg(width, height, content);
}

/** Each bucket's own counts: what its cumulative series has more than the one below. */
function buckets(series) {
  const sorted = series
    .map(({ labels, points }) => ({ le: labels.le === "+Inf" ? Infinity : Number(labels.le), points: new Map(points) }))
    .sort((a, b) => a.le - b.le);
  return sorted.map(({ le, points }, index) => {
    const below = sorted[index - 1]?.points;
    return { le, counts: new Map([...points].map(([time, value]) => [time, value - (below?.get(time) ?? 0)])) };
  });
}

/** From the first to the last bucket that has a count. */
function used(rows) {
  const has = rows.map(({ counts }) => [...counts.values()].some((count) => count >= 0.01));
  return rows.slice(Math.max(0, has.indexOf(true) - 1), has.lastIndexOf(true) + 2);
}
