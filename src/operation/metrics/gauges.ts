/** Metrics whose values somebody else keeps. */
import { Counter, Gauge, type Registry } from 'prom-client';

/** A figure: its metric's name, what it is, and how to come to it. */
export interface Figure<T> {
  readonly name: string;
  readonly help: string;
  readonly value: (figures: T) => number;
}

/** Registers gauges of figures that are looked up when metrics are asked for. */
export function gauges<T>(
  registry: Registry,
  look: () => T | undefined | Promise<T | undefined>,
  figures: readonly Figure<T>[],
): void {
  for (const { name, help, value } of figures) {
    new Gauge({
      name,
      help,
      registers: [registry],
      async collect() {
        const found = await look();
        if (found === undefined) this.remove();
        else this.set(value(found));
      },
    });
  }
}

/** Registers counters that somebody else counts. */
export function counters<T>(
  registry: Registry,
  look: () => T,
  figures: readonly Figure<T>[],
): void {
  for (const { name, help, value } of figures) {
    new Counter({
      name,
      help,
      registers: [registry],
      collect() {
        this.reset();
        this.inc(value(look()));
      },
    });
  }
}
