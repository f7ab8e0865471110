/**
 * The closure digest: one digest for a store path together with the contents of all that it
 * refers to. Equal closure digests mean bit-identical runtime closures, on any two machines.
 *
 *     BLAKE3 derive_key("narthex closure v1") over
 *       field(base name)
 *       field(canonical castore Entry of the root node, with empty name)
 *       one byte: 1 if the path refers to itself, else 0
 *       u64 number of other references
 *       for each other reference, sorted by the bytes of its base name:
 *         field(base name)
 *         field(its closure digest, 32 bytes)
 *
 * where `field(x)` is the length of x as u64 little-endian, then x. Signatures, deriver and CA are
 * not part of it. Digests are built upwards from references that have theirs, so no walk is needed.
 */
import { compareBytes, EMPTY } from '../bytes.ts';
import { type Digest, derivedDigest } from '../castore/digest.ts';
import { encodeEntry } from '../castore/directory.ts';
import type { Node } from '../castore/node.ts';

/** Key derivation context of closure digests; another version of the rule gets another one. */
export const CLOSURE_DIGEST_CONTEXT = 'narthex closure v1';

const U64_BYTES = 8;

/** What a closure digest is computed from. */
export interface ClosureDigestInput {
  /** Base name of the store path. */
  readonly baseName: string;
  /** Root node of its content. */
  readonly node: Node;
  readonly selfReferring: boolean;
  /** Base name and closure digest of each reference but the path itself, in any order, no name twice. */
  readonly references: readonly (readonly [baseName: string, closureDigest: Digest])[];
}

/** The closure digest of a path whose references have theirs. */
export function closureDigest(input: ClosureDigestInput): Digest {
  const references = input.references
    .map(([name, digest]) => ({ name: Buffer.from(name), digest }))
    .sort((a, b) => compareBytes(a.name, b.name));
  const fields: Uint8Array[] = [Buffer.from(input.baseName), encodeEntry(EMPTY, input.node)];
  const pairs: Uint8Array[] = [];
  for (const { name, digest } of references) pairs.push(name, digest.bytes);

  // one allocation: a walk over a closure computes this for every path
  const content = Buffer.alloc(fieldsLength(fields) + 1 + U64_BYTES + fieldsLength(pairs));
  let end = putFields(content, 0, fields);
  content[end++] = input.selfReferring ? 1 : 0;
  end = putU64(content, end, references.length);
  putFields(content, end, pairs);
  return derivedDigest(CLOSURE_DIGEST_CONTEXT, content);
}

function fieldsLength(fields: readonly Uint8Array[]): number {
  return fields.reduce((sum, field) => sum + U64_BYTES + field.length, 0);
}

function putFields(target: Buffer, start: number, fields: readonly Uint8Array[]): number {
  let end = start;
  for (const field of fields) {
    end = putU64(target, end, field.length);
    target.set(field, end);
    end += field.length;
  }
  return end;
}

/** Lengths and counts are below 2^32; the target's upper bytes are 0 already. */
function putU64(target: Buffer, start: number, value: number): number {
  target.writeUInt32LE(value, start);
  return start + U64_BYTES;
}
