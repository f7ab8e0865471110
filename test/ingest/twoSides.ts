/**
 * Both sides of a plan, in words: what an upstream tells, and what is here.
 *
 *     worldOf({ top: 'A: dep base', dep: 'B: base', base: 'absent' })
 *     oursOf({ top: 'A: dep', dep: 'A' })
 *
 * is a path's content, then what it refers to. Where the contents of one path are the same words its
 * bytes are the same.
 */

import { utf8 } from '../../src/bytes.ts';
import { NarthexError } from '../../src/errors.ts';
import { hashBytes } from '../../src/hash.ts';
import { comparePlan, type Plan } from '../../src/ingest/plan.ts';
import type { FoundNarInfo } from '../../src/ingest/walkItem.ts';
import type { KnownPath, UnknownPath, World } from '../../src/ingest/world.ts';
import type { Evidence, PathInfo } from '../../src/pathinfo/pathInfo.ts';
import { BY_KEY, pathInfoOf, storePathOf } from '../contracts/pathInfos.ts';

/** By name: `CONTENT: REFERENCE REFERENCE`, or why nothing is known. */
export type Side = Readonly<Record<string, string>>;

const UNKNOWN = ['absent', 'unreachable', 'unverified'] as const;

function parsed(text: string): { readonly content: string; readonly names: readonly string[] } {
  const [content = '', names = ''] = text.split(':').map((part) => part.trim());
  return { content, names: names.split(' ').filter((name) => name !== '') };
}

/** The narinfo that an upstream has. */
export function foundOf(
  name: string,
  text: string,
  signedBy: readonly string[] = [],
): FoundNarInfo {
  const { content, names } = parsed(text);
  const { claim } = pathInfoOf({ name, content: `${name} ${content}`, signedBy });
  return {
    narInfo: {
      storePath: claim.storePath,
      url: `nar/${name}.nar`,
      compression: 'none',
      fileHash: undefined,
      fileSize: undefined,
      narHash: hashBytes('sha256', utf8(`nar of ${name} ${content}`)),
      narSize: claim.narSize,
      references: names.map(storePathOf),
      deriver: undefined,
      system: undefined,
      signatures: claim.signatures,
      ca: undefined,
    },
    verification: BY_KEY,
    origin: 'https://theirs.example.org',
  };
}

/** An upstream's world, in the order given. */
export function worldOf(side: Side): World {
  return new Map(
    Object.entries(side).map(([name, text]): [string, KnownPath | UnknownPath] => {
      const storePath = storePathOf(name);
      const outcome = UNKNOWN.find((one) => one === text);
      if (outcome !== undefined) {
        const error =
          outcome === 'absent' ? undefined : new NarthexError('UPSTREAM_FAILED', `${name} failed`);
        return [storePath.baseName, { outcome, storePath, error }];
      }
      const references = [...new Set(parsed(text).names)].filter((one) => one !== name);
      const known: KnownPath = {
        outcome: 'known',
        storePath,
        found: foundOf(name, text),
        references: references.map(storePathOf),
      };
      return [storePath.baseName, known];
    }),
  );
}

/** What is here, by base name. References first; one may be named that is not here. */
export function oursOf(side: Side, evidence: Evidence = 'unchecked'): Map<string, PathInfo> {
  const made = new Map<string, PathInfo>();
  const make = (name: string): PathInfo => {
    const known = made.get(name);
    if (known !== undefined) return known;
    const { content, names } = parsed(side[name] ?? 'A');
    const pathInfo = pathInfoOf({
      name,
      content: `${name} ${content}`,
      references: names.filter((one) => one !== name).map(make),
      selfReferring: names.includes(name),
      signedBy: ['our-key'],
      evidence,
    });
    made.set(name, pathInfo);
    return pathInfo;
  };
  return new Map(
    Object.keys(side).map((name) => [storePathOf(name).baseName, make(name)] as const),
  );
}

/** The plan of both. */
export function planOf(theirs: Side, ours: Side): Plan {
  return comparePlan(worldOf(theirs), oursOf(ours));
}

/** By name what a plan says, in order. */
export function outcomes(plan: Plan): Record<string, string> {
  return Object.fromEntries(
    Array.from(plan.values(), ({ entry, outcome, decidedBy }) => {
      const by = decidedBy?.entry.storePath.name;
      const { name } = entry.storePath;
      return [name, by === undefined || by === name ? outcome : `${outcome} by ${by}`];
    }),
  );
}
