// Human-readable numbers: units, mappings, threshold colours, reductions.

/** The series' one number by a Grafana calculation. */
export function reduce(calc, points) {
  const values = points.map(([, value]) => value).filter(Number.isFinite);
  if (values.length === 0) return NaN;
  const sum = values.reduce((all, value) => all + value, 0);
  return { lastNotNull: values.at(-1), min: Math.min(...values), max: Math.max(...values), mean: sum / values.length, sum }[calc];
}

/** A value as its field wants it: mapped to a word, or a number with its unit. */
export function show(field, value) {
  const mapped = mapping(field, value);
  if (mapped) return mapped.text;
  if (typeof value === "string") return value;
  if (!Number.isFinite(value)) return "–";
  return withUnit(field.unit ?? "none", value, field.decimals);
}

/** The colour of a value: of its mapping, else of the highest threshold that it reaches. */
export function colorOf(field, value) {
  const mapped = mapping(field, value);
  if (mapped) return mapped.color;
  const reached = field.thresholds.steps.filter((step) => step.value === null || value >= step.value);
  return named(reached.at(-1)?.color ?? "text");
}

/** What can be read on a background. */
export function inkOn(background) {
  const [red, green, blue] = [1, 3, 5].map((at) => parseInt(background.slice(at, at + 2), 16));
  return 0.299 * red + 0.587 * green + 0.114 * blue > 160 ? "#111217" : "#FFFFFF";
}

/** Grafana's names for colours. */
export function named(color) {
  return { text: "#CCCCDC", green: "#73BF69", red: "#F2495C", transparent: "transparent" }[color] ?? color;
}

function mapping(field, value) {
  return (field.mappings ?? []).map(({ options }) => options[String(value)]).find(Boolean);
}

function withUnit(unit, value, decimals) {
  if (unit.startsWith("suffix:")) return `${fixed(value, decimals)} ${unit.slice(7).trim()}`;
  if (unit === "dateTimeAsIso") return new Date(value).toISOString().slice(0, 16).replace("T", " ");
  if (unit === "percentunit") return `${fixed(value * 100, decimals)} %`;
  if (unit === "s") return duration(value, decimals);
  if (unit === "bytes") return scaled(value, 1024, ["B", "KiB", "MiB", "GiB"], decimals);
  if (unit === "Bps") return scaled(value, 1000, ["B/s", "kB/s", "MB/s"], decimals);
  if (unit === "short") return scaled(value, 1000, ["", "K", "Mil", "Bil"], decimals);
  return fixed(value, decimals);
}

function fixed(value, decimals) {
  if (decimals !== undefined) return (Math.round(value * 10 ** decimals) / 10 ** decimals).toFixed(decimals);
  return String(Number(value.toPrecision(3)));
}

function scaled(value, base, units, decimals) {
  const power = Math.abs(value) < base ? 0 : Math.min(units.length - 1, Math.floor(Math.log(Math.abs(value)) / Math.log(base)));
  return `${fixed(value / base ** power, decimals)} ${units[power]}`.trim();
}

function duration(value, decimals) {
  const steps = [[86400, "days"], [3600, "hours"], [60, "mins"], [1, "s"], [1e-3, "ms"], [1e-6, "µs"]];
  const [size, unit] = steps.find(([size]) => Math.abs(value) >= size) ?? (value === 0 ? [1, "s"] : steps.at(-1));
  return `${fixed(value / size, size < 1 ? undefined : decimals)} ${unit}`;
}
