/** What an ingest tells while it goes. */
import { bytesKey } from '../bytes.ts';
import type { Finding } from '../pathinfo/finding.ts';
import { findingKey } from '../pathinfo/keptFinding.ts';
import type { WalkEvent } from './closureWalk.ts';

/** An event of an ingest. */
export type IngestEvent =
  | WalkEvent
  /** So many more bytes of the path's NAR have come. */
  | { readonly type: 'progress'; readonly baseName: string; readonly narBytes: number }
  /** The upstream means another content than is here. */
  | { readonly type: 'finding'; readonly finding: Finding };

/**
 * Names what is to be told once, though walks through several worlds come to it more than once: how
 * a path or variant ended, and a finding.
 */
export function onceKeyOf(event: IngestEvent): string | undefined {
  switch (event.type) {
    case 'present':
    case 'kept':
      return `here ${event.pathInfo.closureDigest.key}`;
    case 'failed':
      return `failed ${event.path}`;
    case 'finding':
      return `finding ${bytesKey(findingKey(event.finding))}`;
    default:
      return undefined;
  }
}
