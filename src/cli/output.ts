/** Standard output and standard error, which may be closed or full while they are written to. */
import { utf8 } from '../bytes.ts';
import { NarthexError } from '../errors.ts';

/** Writes all pieces to a stream at the pace at which it takes them. @throws OUTPUT_FAILED */
export async function writeAll(
  output: NodeJS.WritableStream,
  pieces: AsyncIterable<Uint8Array | string>,
): Promise<void> {
  for await (const piece of pieces) {
    const bytes = typeof piece === 'string' ? utf8(piece) : piece;
    // the callback comes once the bytes are out, so nothing piles up
    await new Promise<void>((resolve, reject) => {
      output.write(bytes, (error) => (error ? reject(outputFailed(error)) : resolve()));
    });
  }
}

/** What a stream's `error` says, as our own. */
export function outputFailed(error: Error & { readonly code?: unknown }): NarthexError {
  return new NarthexError(
    'OUTPUT_FAILED',
    `the output could not be written: ${error.message}`,
    { systemCode: typeof error.code === 'string' ? error.code : undefined },
    error,
  );
}

/** Whether whoever read our output has gone, as `head` does: nothing to complain about. */
export function isClosedOutput({ code, facts }: NarthexError): boolean {
  return code === 'OUTPUT_FAILED' && facts['systemCode'] === 'EPIPE';
}
