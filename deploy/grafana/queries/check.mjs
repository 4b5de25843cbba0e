// Checks that every query of dashboards and alert rules finds data. ../README.md describes the usage.

import { parseArgs } from "node:util";
import { seconds } from "./dashboard.mjs";
import { ofDashboard, ofRules } from "./expressions.mjs";
import { Prometheus } from "./prometheus.mjs";

const USAGE = `usage: node check.mjs [options] DASHBOARD.json... RULES.yaml...

  --prometheus URL   the server to query [http://127.0.0.1:9090]
  --range DURATION   how far back [1h]
  --end SECONDS      until when, since 1970 [now]
  --scrape DURATION  how far apart the samples are [15s]
  --var NAME=VALUE   a dashboard's variable; may be repeated`;

const { values: options, positionals: files } = parseArgs({
  allowPositionals: true,
  options: {
    prometheus: { type: "string", default: "http://127.0.0.1:9090" },
    range: { type: "string", default: "1h" },
    end: { type: "string" },
    scrape: { type: "string", default: "15s" },
    var: { type: "string", multiple: true, default: [] },
    help: { type: "boolean", default: false },
  },
});

if (options.help || files.length === 0) console.log(USAGE);
else process.exitCode = await check();

/** Prints every expression with its number of series; 1 when one has none. */
async function check() {
  const prometheus = new Prometheus(options.prometheus);
  const given = Object.fromEntries(options.var.map((pair) => pair.split(/=(.*)/s).slice(0, 2)));
  const end = options.end ? Number(options.end) : Math.floor(Date.now() / 1000);
  const window = { start: end - seconds(options.range), end, scrape: seconds(options.scrape) };
  let empty = 0;
  for (const file of files) {
    const found = file.endsWith(".json") ? await ofDashboard(file, prometheus, given, window) : await ofRules(file, prometheus, window);
    for (const { where, expr, series } of found) {
      if (series === 0) empty += 1;
      console.log(`${series === 0 ? "EMPTY" : String(series).padStart(5)}  ${where}\n         ${expr}`);
    }
  }
  console.log(empty === 0 ? "every expression finds data" : `${empty} expressions find nothing`);
  return empty === 0 ? 0 : 1;
}
