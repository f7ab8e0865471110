/** Reading the values of one table: each key once, each with its type; what is left over is unknown. */
import { resolve } from 'node:path';
import { NarthexError } from '../../errors.ts';
import { excerpt } from '../../excerpt.ts';
import { type PublicKey, parsePublicKeys } from '../../signature.ts';
import { type ConfigEntry, type ConfigTable, type ConfigValue, shownKind } from './configTable.ts';
import type { Faults, Place } from './place.ts';
import type { FromFile, Reference, ServiceKind } from './serviceConfig.ts';
import { hasScheme, withoutSecrets } from './urls.ts';

/** What reading a configuration needs and collects. */
export interface Reading {
  readonly faults: Faults;
  /** What relative paths are relative to. */
  readonly directory: string;
  /** Reads a file that is named. */
  readonly readText: (path: string) => Promise<string>;
  /** Told of each service that is given by an address in place of a name. */
  readonly addressed: (kind: ServiceKind, reference: Reference) => void;
}

/** What addresses begin with, and names of services do not. */
const ADDRESS_START = /^[a-z]+[:+]/i;

/** Stands where a fault was told; nothing is made of it. */
const PLACEHOLDER = '';

/** The values of a table. */
export class Fields {
  readonly place: Place;
  readonly #entries: ReadonlyMap<string, ConfigEntry>;
  readonly #reading: Reading;
  readonly #asked = new Set<string>();

  constructor(table: ConfigTable, reading: Reading) {
    this.place = table.place;
    this.#entries = table.entries;
    this.#reading = reading;
  }

  /** Where a key stands, or the table where it does not. */
  placeOf(key: string): Place {
    return this.#entries.get(key)?.keyPlace ?? this.place;
  }

  /** Whether a key is there. */
  has(key: string): boolean {
    return this.#take(key) !== undefined;
  }

  fault(key: string, message: string): void {
    this.#reading.faults.add(this.placeOf(key), message);
  }

  /** Tells that a key is not there. */
  missing(key: string): void {
    this.#reading.faults.add(this.place, `${key} is missing`);
  }

  text(key: string): string | undefined {
    const value = this.#take(key);
    if (value === undefined) return undefined;
    if (value.kind === 'text' && value.text !== '') return value.text;
    return this.#wrong(value, 'text that is not empty', undefined);
  }

  requiredText(key: string): string {
    return this.text(key) ?? this.#missing(key, PLACEHOLDER);
  }

  /** A list of texts; a text alone is a list of one. */
  texts(key: string): string[] | undefined {
    return this.has(key) ? this.placedTexts(key).map(({ text }) => text) : undefined;
  }

  /** The same, each with its place; none where the key is not there. */
  placedTexts(key: string): { readonly text: string; readonly place: Place }[] {
    return (this.#items(key) ?? []).flatMap((item) => {
      const { place } = item;
      if (item.kind === 'text' && item.text !== '') return [{ text: item.text, place }];
      return this.#wrong(item, 'text that is not empty', []);
    });
  }

  flag(key: string): boolean | undefined {
    const value = this.#take(key);
    if (value === undefined) return undefined;
    if (value.kind === 'flag') return value.flag;
    if (value.kind === 'text' && value.untyped) {
      if (value.text === 'true') return true;
      if (value.text === 'false') return false;
    }
    return this.#wrong(value, 'true or false', false);
  }

  /** A whole number. */
  count(key: string, minimum: number): number | undefined {
    const value = this.#take(key);
    if (value === undefined) return undefined;
    const number = numberOf(value);
    if (number !== undefined && Number.isSafeInteger(number) && number >= minimum) return number;
    return this.#wrong(value, `a whole number from ${minimum}`, minimum);
  }

  /** A whole number in a range, or one of several words. */
  countOrWord<Word extends string>(
    key: string,
    { minimum, maximum }: { readonly minimum: number; readonly maximum: number },
    words: readonly Word[],
  ): number | Word | undefined {
    const value = this.#take(key);
    if (value === undefined) return undefined;
    const word = words.find((known) => value.kind === 'text' && value.text === known);
    if (word !== undefined) return word;
    const number = numberOf(value);
    const isInRange = number !== undefined && number >= minimum && number <= maximum;
    if (isInRange && Number.isSafeInteger(number)) return number;
    const expected = `a whole number from ${minimum} to ${maximum}, or one of ${words.join(', ')}`;
    return this.#wrong(value, expected, minimum);
  }

  requiredCount(key: string, minimum: number): number {
    return this.count(key, minimum) ?? this.#missing(key, minimum);
  }

  /** One of several words, of which there is at least one. */
  word<Word extends string>(key: string, words: readonly [Word, ...Word[]]): Word | undefined {
    const value = this.#take(key);
    if (value === undefined) return undefined;
    const word = words.find((known) => value.kind === 'text' && value.text === known);
    return word ?? this.#wrong(value, `one of ${words.join(', ')}`, words[0]);
  }

  requiredWord<Word extends string>(key: string, words: readonly [Word, ...Word[]]): Word {
    return this.word(key, words) ?? this.#missing(key, words[0]);
  }

  /** Public keys, in one text with spaces or in a list. */
  publicKeys(key: string): PublicKey[] | undefined {
    const items = this.#items(key);
    if (items === undefined) return undefined;
    return items.flatMap((item) => {
      if (item.kind !== 'text') return this.#wrong(item, 'a public key', []);
      return this.#parsed(item.place, () => parsePublicKeys(item.text)) ?? [];
    });
  }

  /** The path of a file or directory, made absolute. */
  path(key: string): string | undefined {
    const text = this.text(key);
    if (text === undefined) return undefined;
    if (text.includes('\0')) this.fault(key, 'a path has no zero byte');
    return resolve(this.#reading.directory, text);
  }

  requiredPath(key: string): string {
    return this.path(key) ?? this.#missing(key, PLACEHOLDER);
  }

  /** A URL as it is; the path of a directory or file made absolute. */
  address(text: string): string {
    return hasScheme(text) ? text : resolve(this.#reading.directory, text);
  }

  /** What a file holds that is named. */
  async file<T>(key: string, parse: (text: string) => T): Promise<FromFile<T> | undefined> {
    const path = this.path(key);
    if (path === undefined) return undefined;
    let text: string;
    try {
      text = await this.#reading.readText(path);
    } catch (error) {
      const { message } = error instanceof Error ? error : { message: String(error) };
      this.fault(key, `${excerpt(path)} cannot be read: ${message}`);
      return undefined;
    }
    const value = this.#parsed(this.placeOf(key), () => parse(text));
    return value === undefined ? undefined : { path, value };
  }

  /** `"&name"`, or an address. */
  reference(kind: ServiceKind, key: string): Reference {
    const value = this.#take(key);
    if (value === undefined) return this.#missing(key, { name: PLACEHOLDER, place: this.place });
    return this.#referenceOf(kind, value);
  }

  /** What a reference is, or where `name` is the one that is meant if nothing is said. */
  referenceOr(kind: ServiceKind, key: string, name: string): Reference {
    const value = this.#take(key);
    return value === undefined ? { name, place: this.place } : this.#referenceOf(kind, value);
  }

  /** At least one reference. */
  references(kind: ServiceKind, key: string): [Reference, ...Reference[]] {
    const [first, ...others] = (this.#items(key) ?? []).map((item) =>
      this.#referenceOf(kind, item),
    );
    if (first !== undefined) return [first, ...others];
    const value = this.#entries.get(key)?.value;
    if (value?.kind === 'list') this.#wrong(value, 'at least one reference', undefined);
    return [this.#missing(key, { name: PLACEHOLDER, place: this.place })];
  }

  /** Nothing more is asked: keys that were not are not known. */
  end(): void {
    for (const [key, { keyPlace }] of this.#entries) {
      if (this.#asked.has(key)) continue;
      const known = [...this.#asked].sort().join(', ');
      const message = known === '' ? 'nothing is known here' : `not known here; known are ${known}`;
      this.#reading.faults.add(keyPlace, message);
    }
  }

  #take(key: string): ConfigValue | undefined {
    this.#asked.add(key);
    return this.#entries.get(key)?.value;
  }

  #items(key: string): readonly ConfigValue[] | undefined {
    const value = this.#take(key);
    if (value === undefined) return undefined;
    if (value.kind === 'text') return [value];
    return value.kind === 'list' ? value.items : this.#wrong(value, 'a list of texts', []);
  }

  #referenceOf(kind: ServiceKind, value: ConfigValue): Reference {
    const { place } = value;
    const none = { name: PLACEHOLDER, place };
    if (value.kind !== 'text')
      return this.#wrong(value, 'a reference, "&name", or an address', none);
    if (value.text.startsWith('&')) return { name: value.text.slice(1), place };
    if (!ADDRESS_START.test(value.text)) {
      return this.#wrong(value, 'a reference, "&name", or an address', none);
    }
    const reference = { name: value.text, place };
    this.#reading.addressed(kind, reference);
    return reference;
  }

  #parsed<T>(place: Place, parse: () => T): T | undefined {
    try {
      return parse();
    } catch (error) {
      if (!(error instanceof NarthexError)) throw error;
      this.#reading.faults.add(place, error.message);
      return undefined;
    }
  }

  #missing<T>(key: string, placeholder: T): T {
    // a key that is there and wrong was told of
    if (!this.#entries.has(key)) this.missing(key);
    return placeholder;
  }

  #wrong<T>(value: ConfigValue, expected: string, placeholder: T): T {
    const { place } = value;
    const actual =
      value.kind === 'text' ? `'${excerpt(withoutSecrets(value.text))}'` : shownKind(value);
    this.#reading.faults.add(place, `should be ${expected}, not ${actual}`);
    return placeholder;
  }
}

function numberOf(value: ConfigValue): number | undefined {
  if (value.kind === 'integer') return value.integer;
  const isNumber = value.kind === 'text' && value.untyped && /^[0-9]+$/.test(value.text);
  return isNumber ? Number(value.text) : undefined;
}
