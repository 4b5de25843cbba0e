// Draws dashboards without Grafana, or checks that every expression finds data. ../README.md describes the usage.

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { load, seconds, variables } from "./dashboard.mjs";
import { ofDashboard, ofRules } from "./expressions.mjs";
import { page } from "./page.mjs";
import { Prometheus } from "./prometheus.mjs";

const USAGE = `usage: node render.mjs [options] DASHBOARD.json                draw to --out
       node render.mjs --check [options] DASHBOARD.json... RULES.yaml...

  --prometheus URL   what to ask [http://127.0.0.1:9090]
  --range DURATION   how far back [1h]
  --end SECONDS      until when, since 1970 [now]
  --scrape DURATION  how far apart the samples are [15s]
  --var NAME=VALUE   a dashboard's variable; may be repeated
  --width PIXELS     [1600]
  --out FILE         .html, or .png by way of chromium [dashboard.html]`;

const { values: options, positionals: files } = parseArgs({
  allowPositionals: true,
  options: {
    prometheus: { type: "string", default: "http://127.0.0.1:9090" },
    range: { type: "string", default: "1h" },
    end: { type: "string" },
    scrape: { type: "string", default: "15s" },
    var: { type: "string", multiple: true, default: [] },
    width: { type: "string", default: "1600" },
    out: { type: "string", default: "dashboard.html" },
    check: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

const prometheus = new Prometheus(options.prometheus);
const given = Object.fromEntries(options.var.map((pair) => pair.split(/=(.*)/s).slice(0, 2)));
const end = options.end ? Number(options.end) : Math.floor(Date.now() / 1000);
const window = { start: end - seconds(options.range), end, scrape: seconds(options.scrape) };

if (options.help || files.length === 0) console.log(USAGE);
else if (options.check) process.exitCode = await check();
else await draw(files[0], options.out, Number(options.width));

/** Prints every expression with its number of series; 1 when one has none. */
async function check() {
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

async function draw(file, out, width) {
  const dashboard = load(file);
  const { values } = await variables(dashboard, prometheus, given, window);
  const { html, height } = await page(dashboard, prometheus, values, window, width);
  if (out.endsWith(".png")) photograph(html, width, Math.ceil(height), resolve(out));
  else writeFileSync(out, html);
  console.log(`${out}: ${dashboard.title}, ${width} x ${Math.ceil(height)}`);
}

/** Chromium without a window, with a profile of its own that goes away with the picture. */
function photograph(html, width, height, out) {
  const folder = mkdtempSync(join(tmpdir(), "canary-render-"));
  try {
    const source = join(folder, "page.html");
    writeFileSync(source, html);
    execFileSync("chromium", [
      "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
      `--user-data-dir=${join(folder, "profile")}`, "--hide-scrollbars", `--window-size=${width},${height}`, `--screenshot=${out}`, `file://${source}`,
    ], { stdio: "ignore", timeout: 60_000 });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
