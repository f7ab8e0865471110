/** Events of an ingest, for tests of what counts and shows them. */
import { NarthexError } from '../../src/errors.ts';
import type { IngestEvent } from '../../src/httpService.ts';
import { parseNarInfo } from '../../src/narinfo/parse.ts';
import { StorePath } from '../../src/storePath.ts';
import { nixbase32, sha256 } from '../support/nixbase32.ts';

/** The events of one path. */
export interface PathEvents {
  readonly storePath: StorePath;
  readonly found: IngestEvent;
  readonly fetching: IngestEvent;
  readonly fetched: IngestEvent;
  progress(narBytes: number): IngestEvent;
  failed(error: unknown): IngestEvent;
}

/** Events about a path that a test names. */
export function eventsOf(name: string, narSize: number): PathEvents {
  const digest = sha256(name).subarray(0, 20);
  const storePath = StorePath.of(digest, name);
  const text = [
    `StorePath: ${storePath}`,
    'URL: nar/x.nar',
    'Compression: none',
    `NarHash: sha256:${nixbase32(sha256(name))}`,
    `NarSize: ${narSize}`,
    'References: ',
    '',
  ].join('\n');
  const narInfo = parseNarInfo(Buffer.from(text));
  const { baseName } = storePath;
  return {
    storePath,
    found: { type: 'found', narInfo, origin: 'http://cache' },
    fetching: { type: 'fetching', narInfo },
    fetched: { type: 'fetched', narInfo },
    progress: (narBytes) => ({ type: 'progress', baseName, narBytes }),
    failed: (error) => ({ type: 'failed', path: baseName, error }),
  };
}

/** A failure of a path by itself. */
export const NAR_MISSING = new NarthexError('NAR_MISSING', 'the cache lost it');

/** A failure because of a reference. */
export function becauseOf({ storePath }: PathEvents): NarthexError {
  const message = `it needs ${storePath.baseName}`;
  return new NarthexError('REFERENCE_FAILED', message, {}, NAR_MISSING);
}
