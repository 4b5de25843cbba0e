// The calls of the Prometheus HTTP API that the queries of a dashboard need. Works with any compatible server.

/** A server that speaks the Prometheus query API; `base` is its URL without `/api/v1`. */
export class Prometheus {
  constructor(base) {
    this.base = base.replace(/\/$/, "");
  }

  /** The series of an expression at one time: `[{ labels, points: [[seconds, value]] }]`. */
  async instant(expr, time) {
    const { result, resultType } = await this.#get("query", { query: expr, time });
    if (resultType === "scalar") return [{ labels: {}, points: [number(result)] }];
    return result.map(({ metric, value }) => ({ labels: metric, points: [number(value)] }));
  }

  /** The series of an expression over a range, a point every `step` seconds where there is one. */
  async range(expr, { start, end, step }) {
    const { result } = await this.#get("query_range", { query: expr, start, end, step });
    return result.map(({ metric, values }) => ({ labels: metric, points: values.map(number) }));
  }

  /** The values that a label has on the series that `match` selects, sorted. */
  async labelValues(label, match, { start, end }) {
    const values = await this.#get(`label/${label}/values`, { "match[]": match, start, end });
    return values.sort();
  }

  async #get(path, parameters) {
    const response = await fetch(`${this.base}/api/v1/${path}?${new URLSearchParams(parameters)}`);
    const text = await response.text();
    if (!response.ok) throw new Error(`${this.base} answered ${response.status} to ${path} ${JSON.stringify(parameters)}: ${text}`);
    return JSON.parse(text).data;
  }
}

function number([time, value]) {
  return [time, Number(value)];
}
