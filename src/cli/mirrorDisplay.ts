/** Showing a mirror run while it goes: what a display is, and the two that write line by line. */
import { isNarthexError } from '../errors.ts';
import { HASH_PART_LENGTH, STORE_DIR } from '../storePath.ts';
import { errorLine } from './errorLine.ts';
import { findingJson, findingText } from './findingText.ts';
import { formatBytes } from './format.ts';
import type { MirrorEvent } from './mirrorEvent.ts';
import type { MirrorTally } from './mirrorTally.ts';

/** Shows a run. */
export interface MirrorDisplay {
  /** @param tally with the event counted */
  show(event: MirrorEvent, tally: MirrorTally): void;
  /** The run is over: takes away what is only for the moment. */
  end(): void;
}

/** Machines: every event as one line of JSON. */
export function jsonDisplay(output: NodeJS.WritableStream): MirrorDisplay {
  return {
    show(event) {
      const line = eventJson(event);
      if (line !== undefined) output.write(`${JSON.stringify(line)}\n`);
    },
    end() {},
  };
}

function eventJson(event: MirrorEvent): object | undefined {
  switch (event.type) {
    case 'present':
    case 'kept': {
      const { storePath, closureDigest, claim } = event.pathInfo;
      return {
        event: event.type,
        path: storePath.absolute,
        narHash: claim.narHash.toNixbase32(),
        narSize: claim.narSize,
        closureDigest,
      };
    }
    case 'found':
      return { event: 'found', ...narInfoJson(event), from: event.origin };
    case 'fetching':
    case 'fetched':
      return { event: event.type, ...narInfoJson(event) };
    case 'failed': {
      const { error } = event;
      const known = isNarthexError(error) ? error : { message: String(error) };
      return { event: 'failed', path: shownPath(event.path), error: known };
    }
    case 'finding':
      return { event: 'finding', ...findingJson(event.finding) };
    case 'extraFileKept':
      return { event: 'extraFile', path: event.path };
    case 'extraFileFailed':
      return { event: 'extraFileFailed', path: event.path, error: event.error };
    case 'progress':
      // too many to be of use: `fetching` and `fetched` tell when
      return undefined;
  }
}

function narInfoJson({
  narInfo,
}: Extract<MirrorEvent, { type: 'found' | 'fetching' | 'fetched' }>) {
  return { path: narInfo.storePath.absolute, narSize: narInfo.narSize };
}

/**
 * Files and pipes: a line for each path that is kept, for failures and for findings.
 * @param wanted hash parts of the paths that were asked for
 */
export function lineDisplay(
  output: NodeJS.WritableStream,
  wanted: ReadonlySet<string>,
): MirrorDisplay {
  return {
    show(event, tally) {
      if (event.type === 'kept') {
        const { storePath, claim } = event.pathInfo;
        const { kept, found } = tally;
        output.write(`[${kept}/${found}] ${storePath.absolute} (${formatBytes(claim.narSize)})\n`);
      } else {
        const line = lastingLine(event, wanted, tally);
        if (line !== undefined) output.write(`${line}\n`);
      }
    },
    end() {},
  };
}

/**
 * What stays to be read: findings and failures, but nothing where a path in between fails because of
 * a reference. One library that is missing would otherwise print a thousand lines; so would an upstream that
 * cannot be asked for extra files, of which only the first failures are told.
 */
export function lastingLine(
  event: MirrorEvent,
  wanted: ReadonlySet<string>,
  { extraFilesFailed }: Pick<MirrorTally, 'extraFilesFailed'>,
): string | undefined {
  if (event.type === 'extraFileFailed') {
    if (extraFilesFailed > SHOWN_EXTRA_FAILURES) return undefined;
    return `failed: ${event.path}: ${errorLine(event.error)}`;
  }
  if (event.type === 'finding') return findingText(event.finding);
  if (event.type !== 'failed') return undefined;
  const { path, error } = event;
  const asked = wanted.has(path.slice(0, HASH_PART_LENGTH));
  if (!asked && isNarthexError(error, 'REFERENCE_FAILED')) return undefined;
  const line = errorLine(error);
  return line.includes(path) ? `failed: ${line}` : `failed: ${shownPath(path)}: ${line}`;
}

/** Failures of extra files that get a line of their own; all of them are counted. */
const SHOWN_EXTRA_FAILURES = 10;

/** The absolute store path of a base name; a hash part as it is. */
function shownPath(path: string): string {
  return path.length > HASH_PART_LENGTH ? `${STORE_DIR}/${path}` : path;
}
