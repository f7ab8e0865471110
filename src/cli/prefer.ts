/** `narthex prefer`: makes a variant of a path current, with its whole closure. */
import type { Digest } from '../castore/digest.ts';
import { openStore } from '../composition/openStore.ts';
import { NarthexError } from '../errors.ts';
import type { PathInfo } from '../pathinfo/pathInfo.ts';
import { parseStorePathQuery } from '../storePath.ts';
import { type Command, type CommandContext, ExitCode } from './command.ts';
import { errorLine } from './errorLine.ts';
import { counted } from './format.ts';
import { STORE_HELP, STORE_OPTION, storeOf } from './options.ts';
import { describeConflicts, namesOf } from './preferConflicts.ts';
import {
  parseClosureDigestQuery,
  requireVariants,
  shortDigest,
  variantOf,
} from './storedVariants.ts';

/** The command. */
export const prefer: Command = {
  name: 'prefer',
  summary: 'make a variant of a store path current, with all it refers to',
  usage: '[--json] PATH CLOSUREDIGEST',
  help: [
    '  PATH          store path, base name or hash part',
    '  CLOSUREDIGEST blake3-…, or at least the first 8 hexadecimal digits; see: narthex variants',
    STORE_HELP,
    '  --json        an object with what was switched',
    '',
    'All or nothing. What is current and refers to something that is replaced is switched to a variant',
    'that refers to the new one: a verified one first, then one whose references are not known to be',
    'mixed, then in the order of closure digests. Where none is kept, nothing is switched. Nothing else',
    'changes.',
    'Exit codes: 0 it is current, 1 error, 2 wrong usage, 4 refused because of the conflicts listed.',
  ].join('\n'),
  options: STORE_OPTION,

  async run(context, values, positionals) {
    const [pathText, digestText, ...others] = positionals;
    if (pathText === undefined || digestText === undefined || others.length > 0) {
      throw new NarthexError(
        'USAGE',
        `a store path and a closure digest are needed, ${counted(positionals.length, 'argument')} given`,
      );
    }
    const path = parseStorePathQuery(pathText);
    const query = parseClosureDigestQuery(digestText);
    const json = values['json'] === true;
    const { signal } = context;
    await using store = await openStore(storeOf(values, context), { createIfMissing: false });
    const { pathInfo } = variantOf(await requireVariants(store, path, signal), query);
    const { storePath, closureDigest } = pathInfo;
    const result = await store.pathInfos.prefer(storePath.digest, closureDigest, { signal });
    if (result.outcome === 'refused') {
      const conflicts = await describeConflicts(result.conflicts, store.pathInfos);
      return refuse(pathInfo, conflicts, context, json);
    }
    const nameOf = namesOf(store.pathInfos);
    const switched: Switched[] = [];
    for (const variant of result.switched) {
      switched.push({ path: await nameOf(variant), ...variant });
    }
    tell(pathInfo, switched, context, json);
    return ExitCode.Done;
  },
};

interface Switched {
  readonly path: string;
  readonly closureDigest: Digest;
  readonly previous: Digest | undefined;
}

function tell(
  { storePath, closureDigest }: PathInfo,
  switched: readonly Switched[],
  { stdout }: CommandContext,
  json: boolean,
): void {
  if (json) {
    const all = switched.map(({ path, closureDigest, previous }) => ({
      path,
      closureDigest,
      previous: previous ?? null,
    }));
    const data = { path: storePath.absolute, closureDigest, switched: all };
    stdout.write(`${JSON.stringify(data, undefined, 2)}\n`);
    return;
  }
  if (switched.length === 0) {
    stdout.write(`${storePath.absolute} is current in ${shortDigest(closureDigest)} already\n`);
    return;
  }
  stdout.write(`${counted(switched.length, 'path')} switched:\n`);
  for (const { path, closureDigest, previous } of switched) {
    const before = previous === undefined ? 'none was current' : `was ${shortDigest(previous)}`;
    stdout.write(`  ${shortDigest(closureDigest)}  ${path} (${before})\n`);
  }
}

function refuse(
  { storePath, closureDigest }: PathInfo,
  conflicts: Awaited<ReturnType<typeof describeConflicts>>,
  { stdout, stderr }: CommandContext,
  json: boolean,
): ExitCode {
  const error = new NarthexError(
    'PREFER_CONFLICT',
    `${storePath.absolute} cannot be current in ${shortDigest(closureDigest)}, nothing was changed: ${counted(conflicts.length, 'conflict')}`,
    {
      storePath: storePath.absolute,
      closureDigest: String(closureDigest),
      conflicts: conflicts.map(({ text }) => text),
    },
  );
  if (json) {
    const data = { error: error.toJSON(), conflicts: conflicts.map(({ data }) => data) };
    stdout.write(`${JSON.stringify(data, undefined, 2)}\n`);
  } else {
    stderr.write(`narthex: ${errorLine(error)}\n`);
    for (const { text } of conflicts) stderr.write(`  ${text}\n`);
  }
  return ExitCode.Rejected;
}
