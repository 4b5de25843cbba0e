// Rows of instant queries: merged by their labels, with the columns, names and order of the panel.

import { fieldOf } from "../dashboard.mjs";
import { escape } from "../svg.mjs";
import { colorOf, inkOn, show } from "../value.mjs";

/** Draws a table of `{ refId, labels, points }` series. */
export function table(panel, series) {
  const { columns, rows } = organize(panel, merge(series, panel.targets.length > 1));
  if (rows.length === 0) return `<div class="nothing">${escape(panel.fieldConfig.defaults.noValue ?? "No data")}</div>`;
  const [order] = panel.options.sortBy;
  if (order) rows.sort((a, b) => (order.desc ? -1 : 1) * compare(a[order.displayName], b[order.displayName]));
  const head = columns.map((name) => `<th>${escape(name)}</th>`).join("");
  const body = rows.map((row) => `<tr>${columns.map((name) => cell(fieldOf(panel, name), row[name])).join("")}</tr>`).join("");
  return `<div class="grid"><table><tr>${head}</tr>${body}</table></div>`;
}

/** Rows of different queries whose common labels agree are one row. */
function merge(series, many) {
  const rows = [];
  for (const { refId, labels, points } of series) {
    const value = { [many ? `Value #${refId}` : "Value"]: points.at(-1)[1] };
    const row = rows.find((other) => !(Object.keys(value)[0] in other) && Object.keys(labels).every((label) => !(label in other) || other[label] === labels[label]));
    if (row) Object.assign(row, labels, value);
    else rows.push({ ...labels, ...value });
  }
  return rows;
}

function organize(panel, rows) {
  const { renameByName, indexByName, excludeByName } = panel.transformations.find(({ id }) => id === "organize").options;
  const names = Object.keys(indexByName).sort((a, b) => indexByName[a] - indexByName[b]).filter((name) => !excludeByName[name]);
  const columns = names.map((name) => renameByName[name] ?? name);
  return { columns, rows: rows.map((row) => Object.fromEntries(names.map((name, index) => [columns[index], row[name]]))) };
}

function cell(field, value) {
  if (value === undefined) return "<td></td>";
  const kind = field.custom.cellOptions.type;
  const color = kind === "auto" ? undefined : colorOf(field, value);
  const style = kind === "color-background" ? `background:${color};color:${inkOn(color)}` : color ? `color:${color}` : "";
  const link = field.links ? "link" : "";
  return `<td class="${typeof value === "number" ? "number" : ""}" style="${style}"><span class="${link}">${escape(show(field, value))}</span></td>`;
}

function compare(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a ?? "").localeCompare(String(b ?? ""));
}
