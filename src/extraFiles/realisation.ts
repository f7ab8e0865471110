/**
 * Realisations, which newer Nix calls entries of the build trace: which store path an output of a
 * derivation became, and who says so.
 *
 *     realisations/<id>.doi      {"dependentRealisations":{<id>:<base name>,…},
 *                                 "id":"<drv hash>!<output>","outPath":"<base name>",
 *                                 "signatures":["<key name>:<base64>",…]}
 *     build-trace-v2/<…>.doi     {"outPath":"<base name>","signatures":[…]}
 *
 * In the second a signature may also be `{"keyName":…,"sig":"<base64>"}`, and the name of the file takes
 * the place of the id. The members after `outPath` may be missing. Unknown members are ignored, as Nix
 * does; nobody has signed them. Source: Nix `src/libstore/realisation.cc`, 2.8 and 2.35.
 */
import { decodeUtf8, utf8 } from '../bytes.ts';
import { isNarthexError, NarthexError } from '../errors.ts';
import { excerpt } from '../excerpt.ts';
import { checkLimit, DEFAULT_LIMITS, type Limits } from '../limits.ts';
import { type PublicKey, Signature } from '../signature.ts';
import { StorePath } from '../storePath.ts';
import {
  type ExtraFileName,
  extraFilePath,
  parseExtraFileName,
  realisationId,
} from './extraFileName.ts';

/** The name of a realisation, in either layout. */
export type RealisationName = Extract<ExtraFileName, { kind: 'realisation' | 'buildTrace' }>;

/** What a realisation says. */
export interface Realisation {
  readonly name: RealisationName;
  readonly outPath: StorePath;
  readonly signatures: readonly Signature[];
  /** Id → base name, as it stands there; none in the newer layout. */
  readonly dependentRealisations: ReadonlyMap<string, string>;
}

/**
 * Reads the realisation that is called `name`.
 * @throws REALISATION_INVALID with `url` and `field`: it is malformed, or is another than its name says
 * @throws LIMIT_EXCEEDED for realisationBytes and narinfoSignatures
 */
export function parseRealisation(
  bytes: Uint8Array,
  name: RealisationName,
  { limits = DEFAULT_LIMITS }: { readonly limits?: Limits | undefined } = {},
): Realisation {
  const url = extraFilePath(name);
  checkLimit(limits, 'realisationBytes', bytes.length, { url });
  const members = objectOf(parseJson(bytes, url), url, 'realisation');
  if (name.kind === 'realisation') checkId(members['id'], name, url);
  const signatures = arrayOf(members['signatures'] ?? [], url, 'signatures');
  checkLimit(limits, 'narinfoSignatures', signatures.length, { url });
  return {
    name,
    outPath: storePathOf(members['outPath'], url, 'outPath'),
    signatures: signatures.map((signature) => signatureOf(signature, url)),
    dependentRealisations:
      name.kind === 'realisation'
        ? dependentsOf(members['dependentRealisations'] ?? {}, url)
        : new Map(),
  };
}

/**
 * What is signed: the JSON without its signatures and, in the newer layout, with its key; members sorted,
 * without white space.
 */
export function realisationFingerprint(realisation: Realisation): Uint8Array {
  const { name, outPath, dependentRealisations } = realisation;
  const value = { outPath: outPath.baseName };
  if (name.kind === 'buildTrace') {
    const key = { drvPath: name.derivation.baseName, outputName: name.output };
    return utf8(JSON.stringify({ key, value }));
  }
  const sorted = [...dependentRealisations].sort(([a], [b]) => (a < b ? -1 : 1));
  const dependents = { dependentRealisations: Object.fromEntries(sorted) };
  return utf8(JSON.stringify({ ...dependents, id: realisationId(name), ...value }));
}

/**
 * Passes a realisation that a trusted key has signed; several keys may have the same name.
 * @throws SIGNATURE_MISMATCH a signature carries the name of a trusted key and is not its own
 * @throws SIGNATURE_MISSING none does
 */
export function requireSignedRealisation(
  realisation: Realisation,
  trustedKeys: readonly PublicKey[],
): void {
  const message = realisationFingerprint(realisation);
  const { signatures } = realisation;
  if (signatures.some((one) => trustedKeys.some((key) => key.verify(message, one)))) return;
  const url = extraFilePath(realisation.name);
  const signedBy = signatures.map(({ keyName }) => keyName);
  const trusted = trustedKeys.map((key) => key.name);
  const facts = { url, storePath: realisation.outPath.absolute, signedBy, trusted };
  const forged = signedBy.filter((keyName) => trusted.includes(keyName));
  if (forged.length > 0) {
    const message = `the signature of ${url} by ${forged.join(', ')} does not verify`;
    throw new NarthexError('SIGNATURE_MISMATCH', message, facts);
  }
  const all = (names: readonly string[]) => names.join(', ') || 'nobody';
  const reason = `${url} is signed by ${all(signedBy)}, trusted is ${all(trusted)}`;
  throw new NarthexError('SIGNATURE_MISSING', reason, facts);
}

function invalid(
  url: string,
  field: string,
  reason: string,
  facts: { expected?: string; actual?: string } = {},
): NarthexError {
  return new NarthexError('REALISATION_INVALID', `${url}: ${field} ${reason}`, {
    url,
    field,
    ...facts,
  });
}

function parseJson(bytes: Uint8Array, url: string): unknown {
  const text = decodeUtf8(bytes);
  if (text === undefined) throw invalid(url, 'realisation', 'is not UTF-8');
  try {
    return JSON.parse(text);
  } catch (error) {
    const message = `${url}: it is no JSON`;
    throw new NarthexError('REALISATION_INVALID', message, { url, field: 'realisation' }, error);
  }
}

function objectOf(value: unknown, url: string, field: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid(url, field, 'is no object');
  }
  return Object.fromEntries(Object.entries(value));
}

function arrayOf(value: unknown, url: string, field: string): readonly unknown[] {
  if (!Array.isArray(value)) throw invalid(url, field, 'is no list');
  return value;
}

function textOf(value: unknown, url: string, field: string): string {
  if (typeof value !== 'string') {
    throw invalid(url, field, value === undefined ? 'is missing' : 'is no text');
  }
  return value;
}

function checkId(value: unknown, name: RealisationName & { kind: 'realisation' }, url: string) {
  const actual = textOf(value, url, 'id');
  const expected = realisationId(name);
  if (actual === expected) return;
  const facts = { expected, actual: excerpt(actual) };
  throw invalid(url, 'id', `is '${facts.actual}', another than that of the file`, facts);
}

function storePathOf(value: unknown, url: string, field: string): StorePath {
  const text = textOf(value, url, field);
  try {
    return StorePath.fromBaseName(text);
  } catch (error) {
    if (!isNarthexError(error)) throw error;
    throw invalid(url, field, `is no base name of a store path: ${error.message}`);
  }
}

function signatureOf(value: unknown, url: string): Signature {
  const field = 'signatures';
  let text = value;
  if (typeof value === 'object' && value !== null) {
    const { keyName, sig } = objectOf(value, url, field);
    text = `${textOf(keyName, url, 'keyName')}:${textOf(sig, url, 'sig')}`;
  }
  try {
    return Signature.parse(textOf(text, url, field));
  } catch (error) {
    if (!isNarthexError(error, 'SIGNATURE_INVALID')) throw error;
    throw invalid(url, field, `hold what is none: ${error.message}`);
  }
}

function dependentsOf(value: unknown, url: string): Map<string, string> {
  const field = 'dependentRealisations';
  const dependents = new Map<string, string>();
  for (const [id, outPath] of Object.entries(objectOf(value, url, field))) {
    if (parseExtraFileName(`realisations/${id}.doi`) === undefined) {
      throw invalid(url, field, `name '${excerpt(id)}', which is no id`);
    }
    dependents.set(id, storePathOf(outPath, url, field).baseName);
  }
  return dependents;
}
