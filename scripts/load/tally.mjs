/** Latencies and errors, by what was asked for. */

/** @typedef {{ latenciesMs: number[], bytes: number, errors: number }} Row */

export class Tally {
  /** @type {Map<string, Row>} */
  #rows = new Map();
  /** The first errors, for people. @type {string[]} */
  messages = [];

  /** @param {string} kind @param {number} latencyMs @param {number} bytes */
  done(kind, latencyMs, bytes) {
    const row = this.#row(kind);
    row.latenciesMs.push(latencyMs);
    row.bytes += bytes;
  }

  /** @param {string} kind @param {unknown} error */
  failed(kind, error) {
    this.#row(kind).errors++;
    if (this.messages.length < 10) this.messages.push(`${kind}: ${String(error)}`);
  }

  get errors() {
    return [...this.#rows.values()].reduce((sum, { errors }) => sum + errors, 0);
  }

  /** What there was, with latencies in milliseconds. */
  summary() {
    return [...this.#rows]
      .sort(([a], [b]) => a.localeCompare(b))
      .map(([kind, { latenciesMs, bytes, errors }]) => {
        latenciesMs.sort((a, b) => a - b);
        return {
          kind,
          requests: latenciesMs.length,
          errors,
          bytes,
          p50: percentile(latenciesMs, 50),
          p95: percentile(latenciesMs, 95),
          p99: percentile(latenciesMs, 99),
          max: percentile(latenciesMs, 100),
        };
      });
  }

  /** @param {string} kind */
  #row(kind) {
    let row = this.#rows.get(kind);
    if (row === undefined) {
      row = { latenciesMs: [], bytes: 0, errors: 0 };
      this.#rows.set(kind, row);
    }
    return row;
  }
}

/** Nearest rank. @param {readonly number[]} sorted @param {number} percent */
function percentile(sorted, percent) {
  const rank = Math.ceil((percent / 100) * sorted.length);
  return Math.round((sorted[Math.max(0, rank - 1)] ?? 0) * 10) / 10;
}
