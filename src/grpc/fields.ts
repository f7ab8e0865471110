/** Fields of messages: from the wire to strict values, naming the field that is wrong. */
import { Digest } from '../castore/digest.ts';
import { type ErrorFacts, isNarthexError, NarthexError } from '../errors.ts';

/** The error about a field. */
export function invalidField(field: string, reason: string, facts: ErrorFacts = {}): NarthexError {
  return new NarthexError('PROTO_INVALID', `${field}: ${reason}`, { ...facts, field });
}

/** Runs a strict constructor; what it refuses is the fault of `field`. @throws PROTO_INVALID */
export function asField<T>(field: string, construct: () => T): T {
  try {
    return construct();
  } catch (error) {
    if (!isNarthexError(error)) throw error;
    const { field: inside, ...facts } = error.facts;
    const name = typeof inside === 'string' ? `${field}.${inside}` : field;
    throw new NarthexError(
      'PROTO_INVALID',
      `${name}: ${error.message}`,
      { ...facts, field: name, reason: error.code },
      error,
    );
  }
}

/** A u64 that is a safe integer. @throws PROTO_INVALID */
export function sizeFrom(value: bigint, field: string): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw invalidField(field, `${value} is not below 2^53`, { actual: value });
  }
  return Number(value);
}

/** A BLAKE3 digest. @throws PROTO_INVALID */
export function digestFrom(bytes: Uint8Array, field: string): Digest {
  // messages are windows on what was received
  return asField(field, () => new Digest(bytes.slice()));
}
