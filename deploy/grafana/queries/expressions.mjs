// Checks that every expression finds data: those of the dashboards as written, those of the rules by their selectors.

import { readFileSync } from "node:fs";
import { interpolate, load, stepOf, variables } from "./dashboard.mjs";

// The width of a panel: half a wide screen.
const PIXELS = 800;

/** `[{ where, expr, series }]` for every query of a dashboard. */
export async function ofDashboard(path, prometheus, given, window) {
  const dashboard = load(path);
  const { values, choices } = await variables(dashboard, prometheus, given, window);
  const panels = dashboard.panels.filter(({ type }) => type !== "row");
  const found = [];
  for (const panel of panels) {
    for (const target of panel.targets) {
      const own = { ...window, step: stepOf(panel, PIXELS, window) };
      const series = await most(target, prometheus, alternatives(dashboard, values, choices, given), own);
      found.push({ where: `${dashboard.title}: ${panel.title}`, expr: target.expr, series });
    }
  }
  return found;
}

/** Where a dashboard shows one thing at a time, each thing in turn: not every check measures, or shakes hands. */
function alternatives(dashboard, values, choices, given) {
  const single = dashboard.templating.list.filter((variable) => variable.type === "query" && !variable.includeAll && !(variable.name in given));
  let all = [values];
  for (const { name } of single) all = all.flatMap((one) => choices[name].map((choice) => ({ ...one, [name]: choice })));
  return all;
}

async function most(target, prometheus, all, window) {
  for (const values of all) {
    const expr = interpolate(target.expr, values, window);
    const series = target.instant ? await prometheus.instant(expr, window.end) : await prometheus.range(expr, window);
    const count = series.filter(({ points }) => points.some(([, value]) => Number.isFinite(value))).length;
    if (count > 0) return count;
  }
  return 0;
}

/** The same for what a rules file selects: an alert that is quiet has no series, what it looks at must have some. */
export async function ofRules(path, prometheus, window) {
  const found = [];
  for (const [alert, selector] of selectors(readFileSync(path, "utf8"))) {
    const series = await prometheus.instant(`last_over_time(${selector}[${Math.round(window.end - window.start)}s])`, window.end);
    found.push({ where: `rule ${alert}`, expr: selector, series: series.length });
  }
  return found;
}

/** Every metric with its matchers, of each alert's `expr`. */
function selectors(text) {
  const rules = text.split(/^ *- alert: /m).slice(1);
  const all = rules.flatMap((rule) => {
    const alert = rule.match(/^\w+/)[0];
    const expr = rule.match(/^ *expr:([\s\S]*?)^ *(?:for|labels):/m)[1];
    return [...expr.matchAll(/canary_\w+(?:\{[^}]*\})?(?=[^\w=!~]|$)/g)].map(([selector]) => `${alert} ${selector}`);
  });
  return [...new Set(all)].map((one) => one.split(/ (.*)/s).slice(0, 2));
}
