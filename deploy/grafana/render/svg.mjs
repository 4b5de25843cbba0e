// Small pieces of SVG and HTML that every panel uses. All text goes through `text` or `escape`.

/** Grafana's dark theme, as far as it is needed. */
export const THEME = { page: "#111217", panel: "#181B1F", edge: "#25282E", grid: "#2A2D33", faint: "#8E8E99", text: "#CCCCDC" };

/** Colours for series without one of their own. */
export const PALETTE = ["#73BF69", "#F2CC0C", "#5794F2", "#FF9830", "#E02F44", "#37B7C3", "#B877D9", "#A5B4C8", "#56A64B", "#C0D8FF", "#FF7383", "#8F3BB8"];

// Round durations.
const SECONDS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800];

export function escape(text) {
  return String(text).replace(/[&<>"]/g, (character) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[character]);
}

export function svg(width, height, content) {
  return `<svg width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">${content.join("")}</svg>`;
}

export function rect(x, y, width, height, fill, more = "") {
  return `<rect x="${round(x)}" y="${round(y)}" width="${round(Math.max(width, 0))}" height="${round(Math.max(height, 0))}" fill="${fill}" ${more}/>`;
}

export function text(x, y, content, { anchor = "start", fill = THEME.faint, size = 11, weight = 400 } = {}) {
  return `<text x="${round(x)}" y="${round(y)}" text-anchor="${anchor}" fill="${fill}" font-size="${size}" font-weight="${weight}">${escape(content)}</text>`;
}

export function path(d, stroke, more = "") {
  return `<path d="${d}" stroke="${stroke}" fill="none" ${more}/>`;
}

/** A text that fits in so many pixels, roughly. */
export function fit(content, pixels, size = 11) {
  const most = Math.floor(pixels / (size * 0.56));
  return content.length <= most ? content : `${content.slice(0, Math.max(most - 1, 1))}…`;
}

export function round(value) {
  return Math.round(value * 10) / 10;
}

/** A linear map from a domain to pixels. */
export function scale([from, to], [start, end]) {
  const span = to - from || 1;
  return (value) => start + ((value - from) / span) * (end - start);
}

/** About `count` round numbers from `low` to `high`: round in the unit, and whole where nothing comes after the point. */
export function ticks(low, high, count, { unit, decimals } = {}) {
  const raw = Math.max((high - low) / count || 1, decimals === 0 && unit === "none" ? 1 : 0);
  const step = roundStep(raw, unit);
  const first = Math.ceil(low / step - 1e-9);
  return Array.from({ length: Math.floor(high / step + 1e-9) - first + 1 }, (_, index) => (first + index) * step);
}

function roundStep(raw, unit) {
  if (unit === "s" && raw > 1) return SECONDS.find((step) => step >= raw) ?? raw;
  if (unit === "bytes") return 2 ** Math.ceil(Math.log2(raw));
  const power = 10 ** Math.floor(Math.log10(raw));
  return [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((step) => step >= raw * 0.999);
}

/** Round times between two, and how each is written. */
export function timeTicks(start, end, count) {
  const step = SECONDS.find((candidate) => candidate >= (end - start) / count) ?? 604800;
  const first = Math.ceil(start / step);
  return Array.from({ length: Math.floor(end / step) - first + 1 }, (_, index) => {
    const time = (first + index) * step;
    const iso = new Date(time * 1000).toISOString();
    return [time, step >= 86400 ? iso.slice(5, 10) : step >= 60 ? iso.slice(11, 16) : iso.slice(11, 19)];
  });
}
