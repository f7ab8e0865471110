/**
 * Text of a narinfo → {@link NarInfo} (Nix: `src/libstore/nar-info.cc`).
 *
 * Enforced: the limits; `Key: value` lines; StorePath, URL, NarHash and NarSize are there; each known
 * key stands once, only `Sig` repeats; every known value is well-formed. Unknown keys are ignored,
 * also when they repeat. Empty `Compression`, `System`, `References` and `CA` count as missing,
 * `Deriver: unknown-deriver` as none.
 *
 * Not enforced: that it is about the path that was asked for, and that anybody signed it.
 */
import { NarthexError } from '../errors.ts';
import { excerpt } from '../excerpt.ts';
import { Hash } from '../hash.ts';
import { checkLimit, DEFAULT_LIMITS, type Limits } from '../limits.ts';
import { Signature } from '../signature.ts';
import { StorePath } from '../storePath.ts';
import { ContentAddress } from './contentAddress.ts';
import { type NarInfoField, narInfoFields, textOfField } from './fields.ts';
import { DEFAULT_COMPRESSION, type NarInfo } from './narinfo.ts';

/** The keys that stand at most once. */
const SINGLE_KEYS = [
  'StorePath',
  'URL',
  'Compression',
  'FileHash',
  'FileSize',
  'NarHash',
  'NarSize',
  'References',
  'Deriver',
  'System',
  'CA',
] as const;
type SingleKey = (typeof SINGLE_KEYS)[number];

const SIGNATURE_KEY = 'Sig';
const UNKNOWN_DERIVER = 'unknown-deriver';
const UNSIGNED_64_MAX = 2n ** 64n - 1n;

/** Twenty digits hold any u64; leading zeros are let through, as Nix lets them. */
const DECIMAL = /^[0-9]{1,20}$/;

/** How {@link parseNarInfo} reads. */
export interface ParseNarInfoOptions {
  readonly limits?: Limits | undefined;
  /** Where the narinfo came from; stands in errors. */
  readonly url?: string | undefined;
}

/**
 * Parses a narinfo.
 * @throws NARINFO_INVALID with `line` (from 1), `field` and `url` where they apply, the facts of the
 *   value that is wrong, and its own error as `cause`
 * @throws LIMIT_EXCEEDED for narinfoBytes, narinfoReferences, narinfoSignatures, narBytes
 */
export function parseNarInfo(bytes: Uint8Array, options: ParseNarInfoOptions = {}): NarInfo {
  const { limits = DEFAULT_LIMITS, url } = options;
  try {
    checkLimit(limits, 'narinfoBytes', bytes.length);
    return readNarInfo(bytes, limits);
  } catch (error) {
    if (url === undefined || !(error instanceof NarthexError)) throw error;
    throw new NarthexError(
      error.code,
      `narinfo ${url}: ${error.message}`,
      { ...error.facts, url },
      error.cause,
    );
  }
}

function readNarInfo(bytes: Uint8Array, limits: Limits): NarInfo {
  const { single, signatures } = collect(bytes, limits);
  return {
    storePath: required(single, 'StorePath', (value) => StorePath.parse(value)),
    url: required(single, 'URL', parseText),
    compression: optional(single, 'Compression', parseText) || DEFAULT_COMPRESSION,
    fileHash: optional(single, 'FileHash', (value) => Hash.parse(value)),
    fileSize: optional(single, 'FileSize', parseSize) || undefined,
    narHash: required(single, 'NarHash', parseNarHash),
    narSize: required(single, 'NarSize', (value) => parseNarSize(value, limits)),
    references: optional(single, 'References', (value) => parseReferences(value, limits)) ?? [],
    deriver: optional(single, 'Deriver', parseDeriver),
    system: optional(single, 'System', parseText) || undefined,
    signatures: signatures.map((field) =>
      inField(field, (value) => Signature.parse(parseText(value))),
    ),
    ca: optional(single, 'CA', (value) => (value === '' ? undefined : ContentAddress.parse(value))),
  };
}

type SingleFields = ReadonlyMap<SingleKey, NarInfoField>;

function isSingleKey(key: string): key is SingleKey {
  return (SINGLE_KEYS as readonly string[]).includes(key); // widened: the list is of literals
}

/** Sorts the lines by key. */
function collect(
  bytes: Uint8Array,
  limits: Limits,
): { single: SingleFields; signatures: readonly NarInfoField[] } {
  const single = new Map<SingleKey, NarInfoField>();
  const signatures: NarInfoField[] = [];
  for (const field of narInfoFields(bytes)) {
    const { key, line } = field;
    if (key === SIGNATURE_KEY) {
      signatures.push(field);
      checkLimit(limits, 'narinfoSignatures', signatures.length);
    } else if (isSingleKey(key)) {
      const first = single.get(key);
      if (first !== undefined) {
        throw new NarthexError(
          'NARINFO_INVALID',
          `${key} stands on line ${line} again, after line ${first.line}`,
          { field: key, line, firstLine: first.line },
        );
      }
      single.set(key, field);
    }
  }
  return { single, signatures };
}

/** Reads a field's value; what is wrong with it is reported with the field and the line. */
function inField<T>(field: NarInfoField, parse: (value: string) => T): T {
  try {
    return parse(field.value);
  } catch (error) {
    if (!(error instanceof NarthexError) || error.code === 'LIMIT_EXCEEDED') throw error;
    throw new NarthexError(
      'NARINFO_INVALID',
      `${field.key} on line ${field.line}: ${error.message}`,
      { ...error.facts, field: field.key, line: field.line },
      // an error of this module has nothing to add
      error.code === 'NARINFO_INVALID' ? undefined : error,
    );
  }
}

function optional<T>(
  fields: SingleFields,
  key: SingleKey,
  parse: (value: string) => T,
): T | undefined {
  const field = fields.get(key);
  return field === undefined ? undefined : inField(field, parse);
}

function required<T>(fields: SingleFields, key: SingleKey, parse: (value: string) => T): T {
  const field = fields.get(key);
  if (field === undefined || field.value === '') {
    throw new NarthexError('NARINFO_INVALID', `${key} is missing`, {
      field: key,
      line: field?.line,
    });
  }
  return inField(field, parse);
}

function refuse(reason: string, value: string, expected?: string): NarthexError {
  return new NarthexError('NARINFO_INVALID', reason, { actual: excerpt(value), expected });
}

function parseText(value: string): string {
  const read = textOfField(value);
  if ('refused' in read) throw refuse(`'${excerpt(value)}' ${read.refused}`, value);
  return read.text;
}

/** A u64, as the wire has it. */
function parseUnsigned(value: string): bigint {
  const size = DECIMAL.test(value) ? BigInt(value) : undefined;
  if (size === undefined || size > UNSIGNED_64_MAX) {
    throw refuse(`'${excerpt(value)}' is not a number of bytes`, value, 'a decimal u64');
  }
  return size;
}

/** The one place where sizes are narrowed. */
function toSafeNumber(size: bigint): number {
  if (size > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw refuse(`${size} bytes are too many`, size.toString(), `≤ ${Number.MAX_SAFE_INTEGER}`);
  }
  return Number(size);
}

function parseSize(value: string): number {
  return toSafeNumber(parseUnsigned(value));
}

function parseNarSize(value: string, limits: Limits): number {
  const size = parseUnsigned(value);
  if (size === 0n) throw refuse('a NAR is never empty', value, 'more than 0');
  checkLimit(limits, 'narBytes', size);
  return toSafeNumber(size);
}

function parseNarHash(value: string): Hash {
  const hash = Hash.parse(value);
  if (hash.algorithm !== 'sha256') throw refuse('is not SHA-256', hash.algorithm, 'sha256');
  return hash;
}

function parseReferences(value: string, limits: Limits): StorePath[] {
  // counted before the list is made; runs of spaces separate once, as in Nix
  let count = 0;
  for (let i = 0; i < value.length; i++) {
    if (value[i] !== ' ' && (i === 0 || value[i - 1] === ' ')) count++;
  }
  checkLimit(limits, 'narinfoReferences', count);
  return value
    .split(' ')
    .filter((word) => word !== '')
    .map((word) => StorePath.fromBaseName(word));
}

function parseDeriver(value: string): StorePath | undefined {
  return value === UNKNOWN_DERIVER ? undefined : StorePath.fromBaseName(value);
}
