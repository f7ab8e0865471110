/** What can be damaged in a store, and the ledger of what is. */
import { bytesKey } from '../bytes.ts';
import type { Digest } from '../castore/digest.ts';
import type { NarthexError } from '../errors.ts';
import { keyText, type VariantKey } from '../pathinfo/currentView.ts';
import type { RelationRow } from '../store/indexRepair.ts';
import type { RecordLocation } from '../store/packFormat.ts';
import type { DamagedContent } from '../store/storeRepair.ts';

/** A thing that is damaged or missing. */
export type DamageSubject =
  /** A pack that is gone or cut off: what lay in it is told of together. */
  | { readonly type: 'pack'; readonly number: number }
  /** What stands at the beginning of a pack. */
  | { readonly type: 'packHeader'; readonly number: number }
  /** Up to where the index says that it refers to a pack; it refers to it up to `end`. */
  | { readonly type: 'packEnd'; readonly number: number; readonly end: number }
  | { readonly type: 'chunk' | 'directory' | 'blob'; readonly digest: Digest }
  /** The record of a PathInfo. */
  | { readonly type: 'pathInfo'; readonly key: VariantKey }
  /** What vouches for a PathInfo: a signature, a content address. */
  | { readonly type: 'claim'; readonly key: VariantKey }
  /** Content whose parts are all right, but together are not what the claim says. */
  | { readonly type: 'content'; readonly key: VariantKey }
  /** Rows of the index that follow from a PathInfo and are not there. */
  | { readonly type: 'relations'; readonly key: VariantKey }
  /** A row of the index that says what is not so. */
  | { readonly type: 'staleRow'; readonly row: RelationRow }
  /** A file that the cache has besides narinfos and NARs; its `path` is below the cache. */
  | { readonly type: 'extraFile'; readonly path: string }
  /** Which variant of a store path is current. */
  | { readonly type: 'current'; readonly digest: Uint8Array };

/** A store path that is not whole. */
export interface AffectedPath {
  readonly key: VariantKey;
  /** Absolute, or the hash part where the record that has the name is damaged. */
  readonly storePath: string;
}

/** One thing that is damaged. */
export interface Damage {
  readonly subject: DamageSubject;
  readonly error: NarthexError;
  /** How many records of content it is: 0 for what is no content, above 1 for packs only. */
  readonly records: number;
  /** Those that are not whole because of it; none where nothing refers to it. */
  readonly affected: readonly AffectedPath[];
}

/** A piece of content that cannot be read, and where it is said to lie. */
export interface BadContent extends DamagedContent {
  /** Where its data is right, only what stands before it is not. */
  readonly rewriteFrom: RecordLocation | undefined;
  /** As what it is told of. */
  readonly subject: DamageSubject;
}

/** A string that is equal exactly when the subjects are. */
export function subjectText(subject: DamageSubject): string {
  switch (subject.type) {
    case 'pack':
    case 'packHeader':
    case 'packEnd':
      return `${subject.type} ${subject.number}`;
    case 'chunk':
    case 'directory':
    case 'blob':
      return subject.type + subject.digest.key;
    case 'pathInfo':
    case 'claim':
    case 'content':
    case 'relations':
      return subject.type + keyText(subject.key);
    case 'extraFile':
      return subject.type + subject.path;
    case 'current':
      return subject.type + bytesKey(subject.digest);
    case 'staleRow':
      return `row ${rowText(subject.row)}`;
  }
}

function rowText(row: RelationRow): string {
  switch (row.table) {
    case 'closure':
      return row.table + row.closureDigest.key;
    case 'referrer':
      return row.table + row.referred.key + row.referrer.closureDigest.key;
    case 'nar':
      return row.table + bytesKey(row.narHash);
  }
}

interface Entry {
  readonly subject: DamageSubject;
  readonly error: NarthexError;
  records: number;
  readonly affected: Map<string, AffectedPath>;
}

/** Gathers damage. Takes memory for what is damaged alone. */
export class DamageLedger {
  readonly #entries = new Map<string, Entry>();
  readonly #content = new Map<string, BadContent>();
  readonly #replaceable = new Map<string, DamagedContent>();
  readonly #onDamage: (subject: DamageSubject, error: NarthexError) => void;

  /** @param onDamage told of each thing once, as soon as it is found */
  constructor(onDamage: (subject: DamageSubject, error: NarthexError) => void = () => {}) {
    this.#onDamage = onDamage;
  }

  /** All damage, in the order in which it was found. */
  get damages(): Damage[] {
    return Array.from(this.#entries.values(), ({ affected, ...entry }) => ({
      ...entry,
      affected: [...affected.values()].sort((a, b) => (a.storePath < b.storePath ? -1 : 1)),
    }));
  }

  /** Content that may be replaced though it can be read. */
  get replaceable(): Iterable<DamagedContent> {
    return this.#replaceable.values();
  }

  /** The content that cannot be read. */
  get content(): Iterable<BadContent> {
    return this.#content.values();
  }

  get isEmpty(): boolean {
    return this.#entries.size === 0;
  }

  has(subject: DamageSubject): boolean {
    return this.#entries.has(subjectText(subject));
  }

  /** Notes a thing that is damaged, and one that is not whole because of it. */
  add(subject: DamageSubject, error: NarthexError, affected?: AffectedPath): void {
    const text = subjectText(subject);
    let entry = this.#entries.get(text);
    if (entry === undefined) {
      entry = { subject, error, records: 0, affected: new Map() };
      this.#entries.set(text, entry);
      this.#onDamage(subject, error);
    }
    if (affected !== undefined) entry.affected.set(keyText(affected.key), affected);
  }

  /** Notes content that cannot be read. */
  addContent(content: BadContent, error: NarthexError): void {
    const key = content.kind + content.digest.key;
    if (this.#content.has(key)) return;
    this.#content.set(key, content);
    this.add(content.subject, error);
    const entry = this.#entries.get(subjectText(content.subject));
    if (entry !== undefined) entry.records += 1;
  }

  /** Notes content that is right as far as is known, and may be replaced with what it belongs to. */
  addReplaceable(kind: DamagedContent['kind'], digest: Digest, value: Uint8Array): void {
    this.#replaceable.set(kind + digest.key, { kind, digest, value });
  }

  /** What is known to be wrong with a piece of content. */
  contentFault(
    kind: DamagedContent['kind'],
    digest: Digest,
  ): { readonly subject: DamageSubject; readonly error: NarthexError } | undefined {
    const bad = this.#content.get(kind + digest.key);
    return bad && this.#entries.get(subjectText(bad.subject));
  }

  /** Takes over what another ledger has. */
  merge(other: DamageLedger): void {
    for (const { subject, error, affected } of other.damages) {
      this.add(subject, error);
      for (const path of affected) this.add(subject, error, path);
    }
    for (const { kind, digest, value } of other.replaceable) {
      if (value !== undefined) this.addReplaceable(kind, digest, value);
    }
    for (const content of other.content) {
      const key = content.kind + content.digest.key;
      if (!this.#content.has(key)) this.#content.set(key, content);
    }
  }
}
