/** Decoders: pieces do not show, and no more comes out than allowed. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { concatBytes, utf8 } from '../../../src/bytes.ts';
import { type Compression, decompress } from '../../../src/compression/compression.ts';
import { isNarthexError } from '../../../src/errors.ts';
import { DEFAULT_LIMITS } from '../../../src/limits.ts';
import { CODECS } from '../../compression/codecs.ts';
import { fixturesByCompression } from '../../support/fixtureCache.ts';
import { agree, Disagreement, pureTarget } from '../target.ts';

const MAX_OUTPUT_BYTES = 256 * 1024;
const LIMITS = { ...DEFAULT_LIMITS, decoderMemoryBytes: 16 * 1024 * 1024 };

async function* pieces(bytes: Uint8Array, pieceBytes: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
}

/** What came out, or the error's code. */
async function decoded(
  compression: Compression,
  input: Uint8Array,
  pieceBytes: number,
): Promise<{ output: Uint8Array; error: unknown }> {
  const output: Uint8Array[] = [];
  let error: unknown;
  try {
    const options = { maxOutputBytes: MAX_OUTPUT_BYTES, limits: LIMITS };
    for await (const piece of decompress(compression, pieces(input, pieceBytes), options)) {
      output.push(piece.slice());
    }
  } catch (thrown) {
    error = thrown;
  }
  return { output: concatBytes(output), error };
}

/** The NAR of the fixture that real Nix compressed so. */
function fixtureNar(compression: Compression): Buffer {
  const directory = join(fixturesByCompression.directory(compression), 'nar');
  const [name = ''] = readdirSync(directory);
  return readFileSync(join(directory, name));
}

export function decoderTarget(compression: Compression) {
  const codec = CODECS.find((one) => one.compression === compression);
  const text = codec?.text ?? utf8('plain text');
  const twice = codec?.concatenates === true ? [concatBytes([text, text])] : [];
  return pureTarget({
    name: `decoder-${compression}`,
    seeds: [text, ...(codec === undefined ? [] : [codec.empty]), ...twice, fixtureNar(compression)],
    words: [codec?.magic ?? new Uint8Array(0), text, Uint8Array.of(0, 0, 0, 0), utf8('YZ')],
    async run(input) {
      const whole = await decoded(compression, input, input.length + 1);
      if (whole.output.length > MAX_OUTPUT_BYTES) throw new Disagreement('more than allowed');
      if (whole.error !== undefined && !isNarthexError(whole.error)) throw whole.error;
      if (input.length < 2000) {
        const slowly = await decoded(compression, input, 13);
        if (slowly.error !== undefined && !isNarthexError(slowly.error)) throw slowly.error;
        agree('refused in pieces', whole.error !== undefined, slowly.error !== undefined);
        if (whole.error === undefined) agree('in pieces', whole.output, slowly.output);
      }
      if (whole.error !== undefined) throw whole.error;
      return 'taken';
    },
  });
}
