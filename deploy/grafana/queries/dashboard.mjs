// A dashboard's JSON: its variables, and the queries of its panels.

import { readFileSync } from "node:fs";

/** Reads a dashboard. Rows are headings; every other panel has queries. */
export function load(path) {
  return JSON.parse(readFileSync(path, "utf8"));
}

/**
 * The value of every variable, by name: what `given` says, `.*` for all, else the first that the server knows.
 * `choices` has what each query variable could be.
 */
export async function variables(dashboard, prometheus, given, window) {
  const values = {};
  const choices = {};
  for (const variable of dashboard.templating.list) {
    if (variable.type === "query") {
      const [, match, label] = variable.definition.match(/^label_values\((.*), *(\w+)\)$/);
      choices[variable.name] = await prometheus.labelValues(label, interpolate(match, values, window), window);
    }
    values[variable.name] = given[variable.name] ?? initial(variable, choices[variable.name]);
  }
  return { values, choices };
}

function initial(variable, choices = []) {
  if (variable.type === "datasource") return variable.current.value;
  return variable.includeAll ? variable.allValue : choices[0] ?? "";
}

/** Puts variables and Grafana's own time macros into an expression. */
export function interpolate(expr, values, { start, end, step = 15, scrape = 15 }) {
  const macros = {
    __range: `${Math.round(end - start)}s`,
    __interval: `${step}s`,
    __rate_interval: `${Math.max(step + scrape, 4 * scrape)}s`,
  };
  return expr.replace(/\$(\w+)|\$\{(\w+)(?::\w+)?\}/g, (whole, plain, braced) => {
    const name = plain ?? braced;
    return macros[name] ?? values[name] ?? whole;
  });
}

/** How far apart the points of a panel are: as fine as its pixels, as its interval, and as the scrapes allow. */
export function stepOf(panel, pixels, { start, end, scrape }) {
  const least = Math.max(scrape, seconds(panel.interval ?? "0s"), (end - start) / pixels);
  const nice = [1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1200, 1800, 3600, 7200, 10800, 21600, 43200, 86400];
  return nice.find((step) => step >= least) ?? Math.ceil(least);
}

/** Seconds of a duration such as `15s`, `2m`, `3h`, `7d`. */
export function seconds(duration) {
  const [, amount, unit] = duration.match(/^(\d+(?:\.\d+)?)([smhd])$/) ?? fail(`not a duration: ${duration}`);
  return Number(amount) * { s: 1, m: 60, h: 3600, d: 86400 }[unit];
}

function fail(message) {
  throw new Error(message);
}
