/** What a configuration says, whatever its syntax: tables of values, each with its place. */
import type { Place } from './place.ts';

/** A value. */
export type ConfigValue = { readonly place: Place } & (
  | {
      readonly kind: 'text';
      readonly text: string;
      /** In an address everything is text: `true` may be a flag there, and `5` a number. */
      readonly untyped?: true;
    }
  | { readonly kind: 'integer'; readonly integer: number }
  | { readonly kind: 'flag'; readonly flag: boolean }
  | { readonly kind: 'list'; readonly items: readonly ConfigValue[] }
  | { readonly kind: 'table'; readonly table: ConfigTable }
  /** What nothing here takes: fractions, dates, lists of tables. */
  | { readonly kind: 'other'; readonly shown: string }
);

/** Keys and their values. */
export interface ConfigTable {
  readonly place: Place;
  /** Filled by whoever reads the syntax. */
  readonly entries: Map<string, ConfigEntry>;
}

/** A value and where its key stands. */
export interface ConfigEntry {
  readonly keyPlace: Place;
  readonly value: ConfigValue;
}

/** What a value is, for people. */
export function shownKind(value: ConfigValue): string {
  switch (value.kind) {
    case 'text':
      return 'text';
    case 'integer':
      return String(value.integer);
    case 'flag':
      return 'true or false';
    case 'list':
      return 'a list';
    case 'table':
      return 'a table';
    case 'other':
      return value.shown;
  }
}
