// A dashboard as one HTML page in its own grid. It draws only the server's data.

import { interpolate, nameOf, stepOf } from "./dashboard.mjs";
import { bargauge } from "./panels/bargauge.mjs";
import { heatmap } from "./panels/heatmap.mjs";
import { stat } from "./panels/stat.mjs";
import { table } from "./panels/table.mjs";
import { timeline } from "./panels/timeline.mjs";
import { timeseries } from "./panels/timeseries.mjs";
import { THEME, escape } from "./svg.mjs";

const PANELS = { bargauge, heatmap, stat, table, timeseries, "state-timeline": timeline };

// Grafana's grid: 24 columns, rows of 30 pixels, 8 between.
const COLUMNS = 24;
const ROW = 30;
const GAP = 8;
const HEADER = 32;
const PADDING = 8;

/** The page, and its height in pixels. */
export async function page(dashboard, prometheus, values, window, width) {
  const column = (width - 2 * GAP + GAP) / COLUMNS;
  const boxes = await Promise.all(dashboard.panels.map(async (panel) => {
    const { x, y, w, h } = panel.gridPos;
    const box = { left: GAP + x * column, top: 56 + y * (ROW + GAP), width: w * column - GAP, height: h * (ROW + GAP) - GAP };
    return { box, html: panel.type === "row" ? heading(panel, box) : await drawn(panel, prometheus, values, window, box) };
  }));
  const height = Math.max(...boxes.map(({ box }) => box.top + box.height)) + GAP;
  return { height, html: frame(dashboard, values, window, boxes.map(({ html }) => html).join("\n"), width, height) };
}

/** What a panel's queries answer, as named series. */
export async function answers(panel, prometheus, values, window) {
  const all = await Promise.all(panel.targets.map(async (target) => {
    const expr = interpolate(target.expr, values, window);
    const series = target.instant ? await prometheus.instant(expr, window.end) : await prometheus.range(expr, window);
    const exemplars = target.exemplar ? await prometheus.exemplars(expr, window) : [];
    return series.map((one, index) => ({ ...one, refId: target.refId, name: nameOf(target, one.labels), exemplars: index === 0 ? exemplars : [] }));
  }));
  return all.flat();
}

async function drawn(panel, prometheus, values, window, box) {
  const inner = { width: Math.floor(box.width - 2 * PADDING), height: Math.floor(box.height - HEADER - PADDING) };
  const step = stepOf(panel, inner.width, window);
  const own = { ...window, step, start: Math.floor(window.start / step) * step, end: panel.targets[0].instant ? window.end : Math.floor(window.end / step) * step };
  const draw = PANELS[panel.type] ?? unknown(panel);
  const content = draw(panel, await answers(panel, prometheus, values, own), { ...inner, window, step });
  return `<section style="${place(box)}"><h2>${escape(panel.title)}</h2><div class="content">${content}</div></section>`;
}

function heading(panel, box) {
  return `<h3 style="${place(box)}">${escape(panel.title)}</h3>`;
}

function place({ left, top, width, height }) {
  return `left:${left}px;top:${top}px;width:${width}px;height:${height}px`;
}

function unknown(panel) {
  throw new Error(`panel "${panel.title}": ${panel.type} is not drawn`);
}

function frame(dashboard, values, window, content, width, height) {
  const time = (seconds) => new Date(seconds * 1000).toISOString().slice(0, 16).replace("T", " ");
  const shown = dashboard.templating.list.filter(({ type }) => type === "query")
    .map(({ name, label }) => `<span class="variable"><u>${escape(label)}</u>${escape(values[name] === ".*" ? "All" : values[name])}</span>`);
  return `<!doctype html><meta charset="utf-8"><title>${escape(dashboard.title)}</title><style>${STYLE}</style>
<body style="width:${width}px;height:${height}px"><header><b>${escape(dashboard.title)}</b>${shown.join("")}<span class="time">${time(window.start)} to ${time(window.end)} UTC</span></header>
${content}`;
}

const STYLE = `
*{box-sizing:border-box} body{margin:0;position:relative;background:${THEME.page};color:${THEME.text};font:12px Inter,"DejaVu Sans",sans-serif;overflow:hidden}
header{height:48px;padding:0 16px;display:flex;align-items:center;gap:16px;font-size:13px} header b{font-size:17px;font-weight:600;margin-right:8px}
.variable{background:${THEME.panel};border:1px solid ${THEME.edge};border-radius:2px;padding:5px 10px} .variable u{text-decoration:none;color:${THEME.faint};margin-right:8px} .time{margin-left:auto;color:${THEME.faint}}
section{position:absolute;background:${THEME.panel};border:1px solid ${THEME.edge};border-radius:3px;overflow:hidden} h2{margin:0;height:${HEADER}px;padding:9px ${PADDING}px 0;font-size:13px;font-weight:500;white-space:nowrap;position:relative;z-index:1}
h3{position:absolute;margin:0;padding:7px 4px;font-size:14px;font-weight:600} .content{height:calc(100% - ${HEADER}px);padding:0 ${PADDING}px ${PADDING}px} svg{display:block} svg text{font-family:Inter,"DejaVu Sans",sans-serif}
.beside{display:flex} .legend{display:flex;flex-wrap:wrap;gap:2px 14px;font-size:11px;padding-left:8px;height:19px;overflow:hidden} .legend.table{display:block;height:auto;overflow:hidden;flex:none} .legend i{display:inline-block;width:12px;height:4px;border-radius:2px;margin-right:6px;vertical-align:middle}
table{border-collapse:collapse;width:100%} .legend td,.legend th{padding:2px 0 2px 10px;text-align:right;white-space:nowrap;font-weight:400} .legend th{color:#6E9FFF} .legend .name{text-align:left;padding-left:0;max-width:190px;overflow:hidden;text-overflow:ellipsis}
.grid th{text-align:left;color:#6E9FFF;font-weight:500} .grid th,.grid td{padding:6px 8px;border-bottom:1px solid ${THEME.edge};white-space:nowrap} .link{color:#6E9FFF} .number{font-variant-numeric:tabular-nums}
.nothing{padding:48px;text-align:center;color:${THEME.faint};font-size:14px} .stats{display:grid;gap:6px;height:100%} .stat{position:relative;display:flex;flex-direction:column;align-items:center;justify-content:center;border-radius:3px;overflow:hidden} .stat b{font-weight:600;white-space:nowrap;position:relative;z-index:1} .stat small{font-size:12px;opacity:.85} .spark{position:absolute;left:0;bottom:0}
`;
